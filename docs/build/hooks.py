"""What MkDocs asks while it builds: generated parts, rendered notebooks, the line with versions."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page as SitePage

CHECKOUT = Path(__file__).parents[2]
if str(CHECKOUT) not in sys.path:  # MkDocs loads this file by its path
    sys.path.insert(0, str(CHECKOUT))

from docs.build.notebooks import as_page, notebooks  # noqa: E402
from docs.build.page import Page  # noqa: E402
from docs.build.reference import fill_in  # noqa: E402

DECISIONS = "decisions/"
# What a page's truth hangs on.
PRODUCTS = {
    "TFX": "tfx",
    "TensorFlow": "tensorflow",
    "Keras": "keras",
    "Beam": "apache-beam",
    "LiteRT": "ai-edge-litert",
    "ONNX Runtime": "onnxruntime",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Paths that do not hang on where MkDocs was started; the decisions in their order."""
    config.mdx_configs["pymdownx.snippets"]["base_path"] = [str(CHECKOUT)]
    records = sorted(
        path.relative_to(config.docs_dir).as_posix()
        for path in Path(config.docs_dir, DECISIONS).glob("*.md")
    )
    # The folder's own page is its section's.
    records.sort(key=lambda path: not path.endswith("/index.md"))
    config.nav = [
        {"Decisions": records} if isinstance(item, dict) and "Decisions" in item else item
        for item in config.nav or []
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Every notebook becomes a page, with its pictures beside it."""
    for notebook in notebooks():
        for path, content in as_page(notebook).items():
            files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: SitePage, config: MkDocsConfig, files: Files) -> str:
    """Generated parts put in, and the day and the versions below."""
    try:
        day = Page(page.file.src_uri, _front_matter(page)).checked
    except ValueError as error:
        raise PluginError(str(error)) from error
    return f"{fill_in(markdown)}\n\n{versions_line(day.isoformat())}\n"


def versions_line(day: str) -> str:
    """What stands below each page."""
    installed = ", ".join(f"{name} {version(package)}" for name, package in PRODUCTS.items())
    return f"Checked on {day} with Python {platform.python_version()}, {installed}.\n{{ .checked }}"


def _front_matter(page: SitePage) -> str:
    day = page.meta.get("checked")
    return f"---\nchecked: {day}\n---\n" if day else ""
