# Two commands do all the set-up on a machine with Python 3.11 and make:
#   make demo   builds .venv and runs the main job on the sample world
#   make test   runs the test suite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check format lint types bench clean

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "需要 Python 3.11 或更新的版本")'
	$(PYTHON) -m venv $(VENV)
	@echo "正在安装依赖（首次约一两分钟）……"
	$(PIP) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) --editable '.[test]'
	touch $@

# The sentence-transformers encoder needs torch; `make test` skips its tests, `make check` runs them.
$(VENV)/.transformers: $(VENV)/.test
	$(PIP) --editable '.[test,transformers]'
	touch $@

demo: $(VENV)/.core
	@$(BIN)/jiebang --home .demo demo

test: $(VENV)/.test
	$(BIN)/python -m pytest

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.test
	$(BIN)/mypy

check: $(VENV)/.transformers lint types
	$(BIN)/python -m pytest

# Writes bench.json: encoding, match, index, import and memory at three sizes.
bench: $(VENV)/.core
	$(BIN)/python -m tests.bench.run --out bench.json

clean:
	rm -rf $(VENV) .demo build dist *.egg-info
