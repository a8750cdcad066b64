# Everything runs in .venv, made here with uv; where uv is missing it is installed into .uv first.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
DRIVERS := postgres mysql redshift mssql snowflake bigquery clickhouse databricks oracle trino
DAGSTER := .venv-dagster

.PHONY: help demo test test-dagster test-scale-dagster prove lint format schemas constraints record bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: $(READY) ## Sync an invented fleet into DuckDB, twice, and ask the first questions
	@$(BIN)/tcss demo

test: $(READY) ## Run every test
	$(BIN)/pytest -q -n 2 --dist loadfile

test-dagster: $(DAGSTER)/.ready $(DAGSTER)-sqlalchemy20/.ready ## Test and type-check connector/dagster, on SQLAlchemy 2.1 and 2.0
	$(DAGSTER)/bin/mypy --follow-imports silent connector/dagster/*.py
	$(DAGSTER)/bin/pytest -q -n 2 --dist worksteal tests/dagster
	$(DAGSTER)-sqlalchemy20/bin/pytest -q -n 2 tests/dagster/test_loads.py

test-scale-dagster: $(DAGSTER)/.ready ## Dagster on two Celery workers, one of them killed: needs redis-server and PostgreSQL
	$(DAGSTER)/bin/python -m tests.dagster.scale

prove: $(READY) ## Look longer for a list that the sweep reads wrongly: 20,000 scripts for each property
	TCSS_SWEEP_EXAMPLES=20000 $(BIN)/pytest -q tests/test_sweep_model.py

lint: $(READY) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(READY) ## Write what is generated from the code: schemas/
	$(BIN)/python -m tests.generate

record: $(READY) ## Record the cassettes again: from the sandbox, and from a real account where keys are set
	TCSS_RECORD=1 $(BIN)/pytest -q tests/test_cassettes.py

bench: $(READY) .venv-rivals/.ready ## Measure; figures depend on the machine, ratios hardly
	$(BIN)/python -m tests.benchmarks

constraints: $(UV) ## Pin the newest set that fits
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 $(addprefix --extra ,$(DRIVERS)) --group dev \
	    --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o constraints.txt
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --extra dagster --extra postgres --group dagster \
	    --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o tests/dagster/constraints.txt

clean: ## Remove what was made here
	rm -rf .venv .venv-dagster* .venv-rivals .uv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv
	$(UV) pip install -q -p .venv --compile-bytecode -c constraints.txt -e '.[postgres,mysql]' --group dev
	@touch $@

# With the newest SQLAlchemy and with the oldest that we allow: Dagster admits both.
$(DAGSTER)/.ready $(DAGSTER)-sqlalchemy20/.ready: pyproject.toml tests/dagster/constraints.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) $(@D)
	sed 's/^sqlalchemy==.*/$(if $(findstring 20,$@),sqlalchemy==2.0.50,&)/' tests/dagster/constraints.txt >$(@D)/constraints.txt
	$(UV) pip install -q -p $(@D) --compile-bytecode -c $(@D)/constraints.txt -e '.[dagster,postgres]' --group dagster
	@touch $@

# What people use today; kept apart, because pandas in our environment would change our own figures.
.venv-rivals/.ready: constraints.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv-rivals
	$(UV) pip install -q -p .venv-rivals -c constraints.txt pandas duckdb tencentcloud-sdk-python-tcss tencentcloud-sdk-python-common
	@touch $@

.uv/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .uv
	.uv/bin/pip install -q uv
