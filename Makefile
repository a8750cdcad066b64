# Everything runs in .venv, made here with uv; where uv is missing it is installed into .uv first.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
EXTRAS := postgres mysql redshift mssql snowflake bigquery clickhouse databricks oracle trino
COMPILE = $(UV) pip compile -q --upgrade --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
    --no-header pyproject.toml

.PHONY: help demo test test-airflow test-scale prove lint format schemas constraints record bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: $(READY) ## Sync an invented fleet into DuckDB, twice, and ask the first questions
	@$(BIN)/tcss demo

test: $(READY) ## Run every test
	$(BIN)/pytest -q -n 2 --dist loadfile

test-airflow: $(READY) .venv-airflow/.ready .venv-airflow-oldest/.ready ## Check and run connector/airflow in Airflow, on SQLAlchemy 2.1 and 2.0
	.venv-airflow/bin/mypy -p connector.airflow
	.venv-airflow/bin/pytest -q -n 2 --dist loadfile tests/airflow
	.venv-airflow-oldest/bin/pytest -q -n 2 --dist loadfile tests/airflow --ignore tests/airflow/test_secrets.py

test-scale: .venv-airflow/.ready ## Six accounts on two Celery workers, one of which is killed; needs redis-server and PostgreSQL
	.venv-airflow/bin/pytest -q -s tests/scale/test_airflow_celery.py

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
	$(COMPILE) $(addprefix --extra ,$(EXTRAS)) --group dev -o constraints.txt
	$(COMPILE) --extra airflow --extra postgres --extra mysql --group airflow -o constraints-airflow.txt

clean: ## Remove what was made here
	rm -rf .venv .venv-airflow .venv-airflow-oldest .venv-rivals .uv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv
	$(UV) pip install -q -p .venv --compile-bytecode -c constraints.txt -e '.[postgres,mysql]' --group dev
	@touch $@

.venv-airflow/.ready: pyproject.toml constraints-airflow.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv-airflow
	$(UV) pip install -q -p .venv-airflow -c constraints-airflow.txt -e '.[airflow,postgres,mysql]' --group airflow
	@touch $@

# Airflow's images pin SQLAlchemy 2.0.
.venv-airflow-oldest/.ready: pyproject.toml constraints-airflow.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv-airflow-oldest
	sed 's/^sqlalchemy==.*/sqlalchemy==2.0.50/' constraints-airflow.txt > .venv-airflow-oldest/constraints.txt
	$(UV) pip install -q -p .venv-airflow-oldest -c .venv-airflow-oldest/constraints.txt -e '.[airflow,postgres,mysql]' --group airflow
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
