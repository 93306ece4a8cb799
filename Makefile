# Two commands do all the set-up on a machine with Python 3.11 and make:
#   make demo   builds .venv and runs the main job on the sample world
#   make test   runs the test suite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two at a time, each with what is left of the other's half once its own is done.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check fuzz format lint types bench screenshots clean

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
	$(PYTEST)

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
	$(PYTEST)

# Asks every operation of the API for whatever its description allows, other things every time.
fuzz: $(VENV)/.test
	JIEBANG_FUZZ=$${JIEBANG_FUZZ:-200} $(BIN)/python -m pytest tests/api/test_schema.py

# Writes bench.json: encoding, match, index, import and memory at three sizes; serve.json: a server under load;
# assign.json and review.json: assignment of achievements, and of bids to experts; roadshow.json: lineups; meetings.json;
# desk.json: the workbench with 50 people at it (what a browser shows only where there is chromium and playwright).
bench: $(VENV)/.core
	$(BIN)/python -m tests.bench.run --out bench.json
	$(BIN)/python -m tests.bench.serving > serve.json
	$(BIN)/python -m tests.bench.assignment > assign.json
	$(BIN)/python -m tests.bench.reviewing > review.json
	$(BIN)/python -m tests.bench.roadshow --out roadshow.json
	$(BIN)/python -m tests.bench.meetings > meetings.json
	$(BIN)/python -m tests.bench.desk > desk.json

# Every page of the workbench at 1280 and 1920 pixels, into screenshots/; ends with 1 where a page has a grave issue of
# accessibility. Needs chromium.
screenshots: $(VENV)/.test
	$(BIN)/python -m tests.api.workbench.screenshots screenshots

clean:
	rm -rf $(VENV) .demo build dist screenshots *.egg-info
