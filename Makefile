# make demo   a fresh machine to a gated release of a small recogniser
# make test   lint, types and every test but the slow ones
# make docs   the notebooks, the commands of every page, and the site

PYTHON ?= python3
ROOT ?= w2v-runs
VENV := .venv
BIN := $(VENV)/bin
CORPUS := $(ROOT)/corpus
UTTERANCES ?= 700
# A file of tests shares its fixtures, so it stays with one of the two processes.
AT_ONCE := -n 2 --dist loadfile

.PHONY: environment test-environment help demo test test-all docs lint format types bench clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: environment  ## a corpus, a fine-tuned recogniser, its WER and its release
	@$(BIN)/w2v corpus --to $(CORPUS) --utterances $(UTTERANCES)
	@$(BIN)/w2v run demo --root $(ROOT)

test: test-environment lint types  ## lint, types, and every test but the slow ones
	@$(BIN)/pytest -m "not slow and not docs" $(AT_ONCE)

test-all: test-environment lint types  ## the slow tests too
	@$(BIN)/pytest $(AT_ONCE)

docs: test-environment  ## run the notebooks and the pages' commands, and build the site
	@$(BIN)/pytest -m docs tests/docs
	@$(BIN)/python -m docs.build

lint: test-environment
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: test-environment
	@$(BIN)/mypy

format: test-environment  ## mend what a tool can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: test-environment  ## figures beside those of peers
	@$(BIN)/python -m benchmarks

clean:  ## remove the environment and what the demo made
	rm -rf $(VENV) $(ROOT) site docs/.work

# Both look at a stamp first: a second call costs a moment.
environment:
	@$(PYTHON) .ci/environment.py $(VENV)

test-environment:
	@$(PYTHON) .ci/environment.py $(VENV) --tests
