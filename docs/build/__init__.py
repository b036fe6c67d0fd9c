"""What makes the documentation's site, and tests it.

    make docs                                      all of it, as CI does
    .venv/bin/python -m docs.build commands        run the commands of every page …
    .venv/bin/python -m docs.build commands how-to/tune.md      … or of some
    .venv/bin/python -m docs.build notebooks wer-unpadded       run notebooks (or all)
    .venv/bin/mkdocs build --strict -f docs/mkdocs.yml          the site, into site/
    .venv/bin/mkdocs serve -f docs/mkdocs.yml                   the site, while you write
    .venv/bin/python -m docs.build links           look after every link of site/
    .venv/bin/pytest tests/docs                    what needs no run of anything (in `make test`)

**A page** lies in `docs/pages/` and begins with front matter, `checked: 2026-11-22`, the day on
which somebody last held it against the product. The build writes that day and the versions below
the page. Fenced blocks are tests:

- `console`: the lines that begin with `$ ` are run, in one shell for the page, in a folder that
  holds `corpus/` (the demo's), `w2v-runs/` (a finished demo: releases/1), and the checkout's
  `demo/`, `models/` and `notebooks/`. Every page finds that folder as new. A line that ends with
  `\\` goes on in the next. Other lines are output, for the reader.
- `console title="exit code 3"`: the same, and the block's last command must end with that code.
- `console title="…"` (any other title, saying what it needs): not run; its `w2v` lines are held
  against the real parser, the ready configs and the files that the page made.
- `yaml`: sections of a run's config, loaded over a ready config. Other YAML is called `yml`.
- `python`: the page's blocks are one program, run after its commands. With a title: only parsed.
- A block of another language than `console` whose title is a file name (`title="mine.yaml"`) is
  written into the folder, where the commands below it find it.

**A notebook** is `notebooks/NAME.py` (jupytext's percent format) with `checked:` in its header. It
runs in a folder of its own; `W2V_DOCS_WORKSPACE` names the folder with `corpus/` and `w2v-runs/`,
which it only reads. What it showed is kept in `docs/.work/` until its text or the product's code
changes. `mkdocs build` shows a notebook that was not run yet without its outputs.

The folder is made once (a few minutes) and kept in `docs/.work/` too. `W2V_DOCS_WORKSPACE=FOLDER`
takes another one that holds `corpus/` and `w2v-runs/`.
"""
