# Everything a fresh clone needs: `make demo`, `make test`. Python 3.11 or newer and pip are enough.

PYTHON ?= python3
# pip options for torch alone, e.g. TORCH_INDEX="--extra-index-url ..." for an index with its small CPU builds
TORCH_INDEX ?=
# what else to hand to `vidinternal run` or `vidinternal bench`, e.g. ARGS="--device cuda"
ARGS ?=
# how many processes share the tests
TEST_JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

SOURCE := clips/flower_captions.mp4
CLEAN := out/flower_clean.mp4

.PHONY: help setup demo test test-browser lint audit bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    find captions and logo of a sample clip and take them off; the result and pictures go to out/"
	@echo "make test    run the tests"
	@echo "make test-browser  look at the pages of --report with headless Chromium, which must be installed"
	@echo "make lint    ruff, pyright, import rules, licences and kept advisories, Dockerfiles"
	@echo "make audit   ask the public advisories about every installed package (needs the internet)"
	@echo "make bench   measure every inpainting method on this machine"
	@echo "make clean   remove out/ and the virtual environment"

setup: $(READY)

# torch comes first and torchvision without its dependencies: torchvision's Linux wheels ask for a CUDA build of torch.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("vidinternal needs Python 3.11 or newer; try: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install $(TORCH_INDEX) -c constraints.txt torch
	$(PIP) install $(TORCH_INDEX) -c constraints.txt --no-deps torchvision
	$(PIP) install -c constraints.txt -e '.[test,report,ocr]'
	@touch $@

$(READY_DEV): $(READY)
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	@mkdir -p out
	$(BIN)/vidinternal run remove_subtitles $(SOURCE) -o $(CLEAN) --set 'masks.kinds=[text,box,logo]' --budget 2m --report out/flower_clean.html $(ARGS)
	$(BIN)/python -m vidinternal.report.before_after $(SOURCE) $(CLEAN) out/before_after.png
	@echo
	@echo "the clean clip:            $(CLEAN)"
	@echo "before and after:          out/before_after.png"
	@echo "what was found:            out/flower_clean.sheet.png, out/flower_clean.events.json"
	@echo "how it was made, as HTML:  out/flower_clean.html"

test: $(READY)
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile

test-browser: $(READY_DEV)
	$(BIN)/python -m pytest tests/browser/browser_*.py

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_dependencies.py
	$(BIN)/hadolint docker/Dockerfile docker/Dockerfile.cuda

audit: $(READY_DEV)
	$(PIP) install -e '.[audit]'
	$(BIN)/python .ci/check_dependencies.py --online

bench: $(READY)
	$(BIN)/vidinternal bench inpaint $(ARGS)

clean:
	rm -rf out $(VENV)
