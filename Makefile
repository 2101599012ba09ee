# On a fresh machine with Python 3.11+, make and pip:
#   make demo     install, train, evaluate, export and predict in a few minutes; says where to look
#   make test     install what the tests need, then lint, types and tests
#   make kernels  compile and install unetzoo-kernels, which make state spaces fast on a CPU
#   make bench    operations and models beside their peers, as Markdown in runs/bench
#   make test-all the same, with every encoder times every skip pathway
#   make web      build the page that runs exported files in a browser (needs Node.js); make test-web tests it
# A second call installs nothing and needs no network. Another interpreter: make demo PYTHON=python3.12; more
# processes for the tests, of one thread and about 2 GB each: make test JOBS=8

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SET := data/demo_nuclei
DEMO := runs/demo-seed0

export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: help bench demo kernels test test-all web test-web lint format clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed $(VENV)/.runtime
	$(BIN)/unetzoo train experiment=demo
	$(BIN)/unetzoo eval ckpt=$(DEMO)/checkpoints/best.ckpt split=test
	$(BIN)/unetzoo export ckpt=$(DEMO)/checkpoints/best.ckpt
	$(BIN)/unetzoo-infer $(DEMO)/model.onnx \
	  "$(SET)/$$(awk -F, '$$3 == "test" {print $$1; exit}' $(SET)/manifest.csv)" -o $(DEMO)/predicted
	@echo
	@echo "report          $(DEMO)/eval/test/report.html"
	@echo "checkpoint      $(DEMO)/checkpoints/best.ckpt"
	@echo "ONNX file       $(DEMO)/model.onnx"
	@echo "predicted mask  $$(ls $(DEMO)/predicted/*)"

test test-all: $(VENV)/.tests $(VENV)/.runtime kernels lint
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/pytest -n $(JOBS) --dist loadgroup $(if $(filter test-all,$@),,-m "not full")

web: export/web/node_modules/.installed
	cd export/web && npm run build

# in headless Chromium, against the runtime; CHROMIUM=/path/to/it if it is not /usr/bin/chromium
test-web: web $(VENV)/.tests $(DEMO)/model.onnx
	cd export/web && npm test
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/web

export/web/node_modules/.installed: export/web/package-lock.json
	cd export/web && npm ci
	@touch $@

$(DEMO)/model.onnx:
	$(MAKE) demo

lint: $(VENV)/.tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# an hour or two on a quiet machine; the tables of docs/performance.md
BENCHES := scan scan_models ssd merges upsampling exported training_step lean
bench: $(VENV)/.tests kernels
	$(PIP) install --quiet --no-deps mambapy && $(PIP) install --quiet openvino
	@mkdir -p runs/bench
	$(BIN)/unetzoo bench ops | tee runs/bench/ops.md
	for name in $(BENCHES); do $(BIN)/python -m benchmarks.$$name | tee runs/bench/$$name.md || exit 1; done

format: $(VENV)/.tests
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist export/web/dist export/web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("make: Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; give another one, make demo PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# hatchling stays installed, so that a changed runtime is built again without network
$(VENV)/.installed: pyproject.toml export/runtime/pyproject.toml | $(BIN)/python
	$(PIP) install "hatchling>=1.26"
	$(PIP) install -e . "./export/runtime[image,geo,med]"
	@touch $@

$(VENV)/.tests: $(VENV)/.installed
	$(PIP) install -e ".[test]"
	@touch $@

# not an editable install: it is the folder unetzoo/inference under another name
$(VENV)/.runtime: $(VENV)/.installed $(wildcard unetzoo/inference/*.py) export/runtime/hatch_build.py
	$(PIP) install --quiet --no-deps --no-build-isolation --force-reinstall ./export/runtime
	@touch $@

kernels: $(VENV)/.kernels

# without them everything works, state spaces slowly
$(VENV)/.kernels: kernels/pyproject.toml kernels/CMakeLists.txt $(wildcard kernels/src/*) | $(VENV)/.installed
	@if command -v $(firstword $(CXX)) > /dev/null; then $(PIP) install --quiet --force-reinstall ./kernels; \
	else echo "make: no C++ compiler ($(CXX)), so unetzoo-kernels is not built and its tests are skipped"; fi
	@touch $@
