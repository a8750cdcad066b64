# Everything runs in .venv, made here with uv, which is installed into .uv first.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
READY := .venv/.ready
UPGRADE ?=
# Compiled modules are kept, whatever the shell says: else each of the tests' processes compiles them anew.
# The large environments are compiled as far as they are used: a whole one takes 20 s.
export PYTHONDONTWRITEBYTECODE :=
COMPILE = $(UV) pip compile -q $(UPGRADE) --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
    --no-header --generate-hashes
# uv refuses a file whose hash is not that of the constraint.
INSTALL = $(UV) pip install -q -b constraints/build.txt
DRIVERS := postgres mysql redshift mssql snowflake bigquery clickhouse databricks oracle trino
SCHEDULERS := airflow dagster

.PHONY: help demo test test-thorough test-elsewhere test-lowest test-newest coverage mutate $(SCHEDULERS:%=test-%) test-scale test-analysts gallery prove lint format schemas constraints audit record bench bench-dashboard clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: $(READY) ## Sync an invented fleet into DuckDB, twice, and ask the first questions
	@$(BIN)/tcss demo

# More than the two cores that we have, because tests wait for servers and processes a third of their time.
WORKERS ?= 3
PYTEST := bin/pytest -q -n $(WORKERS) --max-worker-restart 1 --dist worksteal
VERSIONS := 3.11 3.12 3.13
ON_SQLALCHEMY20 := PYTHONPATH=$(CURDIR)/.sqlalchemy20
IS_SQLALCHEMY20 := import sqlalchemy; assert sqlalchemy.__version__.startswith("2.0."), sqlalchemy.__version__
# Other versions than those of constraints/.
NOT_PINNED := --deselect tests/test_dependencies.py::test_what_is_installed_here_is_pinned

test: $(READY) ## Run the tests; what they leave out is said at the end
	.venv/$(PYTEST)
	@echo 'Left out: long cases (make test-thorough), the pages in a browser and the notebooks (make test-analysts),'
	@echo 'and the schedulers (make test-airflow, make test-dagster).'

test-thorough: $(READY) ## Run the long cases: a kill at every step, every database, 100,000 rows, eight times as many other examples
	.venv/$(PYTEST) --thorough

test-elsewhere: $(READY) ## Run the tests beside four busy loops a core in another time zone; then with a clock a day ahead, and a year
	$(BIN)/python -m tests.elsewhere

test-lowest: $(VERSIONS:%=.venv-lowest-%/.ready) ## Run the tests with the lowest versions that pyproject.toml admits, on each Python
	$(foreach version,$(VERSIONS),.venv-lowest-$(version)/$(PYTEST) $(NOT_PINNED) &&) true

test-newest: $(VERSIONS:%=.venv-newest-%/.ready) ## Run the tests with the newest versions that pyproject.toml admits, on each Python
	$(foreach version,$(VERSIONS),.venv-newest-$(version)/$(PYTEST) $(NOT_PINNED) &&) true

mutate: .venv-mutate/.ready ## Change the proof of the listing in each place, and show which change no test notices (hours)
	.venv-mutate/bin/mutmut run
	.venv-mutate/bin/mutmut results

coverage: $(READY) ## Run the tests, and fail where too few branches of connector/ are taken
	.venv/$(PYTEST) --coverage

test-airflow: .venv-airflow/.ready .sqlalchemy20/.ready $(READY) ## Check and run connector/airflow in Airflow, on SQLAlchemy 2.1 and 2.0
	.venv-airflow/bin/mypy -p connector.airflow
	.venv-airflow/bin/pytest -q -n 2 --max-worker-restart 1 --dist loadfile tests/airflow
	$(ON_SQLALCHEMY20) .venv-airflow/bin/python -c '$(IS_SQLALCHEMY20)'
	$(ON_SQLALCHEMY20) .venv-airflow/bin/pytest -q -n 2 --max-worker-restart 1 --dist loadfile $(addprefix tests/airflow/test_,hook.py operators.py examples.py)

test-dagster: .venv-dagster/.ready .sqlalchemy20/.ready ## Check and run connector/dagster in Dagster, on SQLAlchemy 2.1 and 2.0
	.venv-dagster/bin/mypy --follow-imports silent connector/dagster/*.py
	.venv-dagster/bin/pytest -q -n 2 --max-worker-restart 1 --dist loadfile tests/dagster
	$(ON_SQLALCHEMY20) .venv-dagster/bin/python -c '$(IS_SQLALCHEMY20)'
	$(ON_SQLALCHEMY20) .venv-dagster/bin/pytest -q tests/dagster/test_assets.py

test-scale: $(SCHEDULERS:%=.venv-%/.ready) ## Six accounts on two Celery workers, one of which is killed, under each; needs redis-server and PostgreSQL
	.venv-airflow/bin/pytest -q -s tests/scale/test_airflow_celery.py
	.venv-dagster/bin/python -m tests.scale.dagster_celery

test-analysts: .venv-analysts/.ready .venv-dbt/.ready /usr/bin/chromium ## Run the pages in a real browser, the notebooks, what the manual says to analysts, and dbt
	.venv-analysts/bin/pytest -q tests/analysts

gallery: .venv-analysts/.ready /usr/bin/chromium ## Make the manual's pictures anew: docs/gallery
	.venv-analysts/bin/python -m tests.analysts.gallery

prove: $(READY) ## Look longer for a list or a set that is read wrongly: 20,000 scripts for each property, and more
	TCSS_EXAMPLES=268 $(BIN)/pytest -q tests/listing/test_sweep_model.py tests/detail/test_model.py
	TCSS_EXAMPLES=80 $(BIN)/pytest -q tests/runs/test_moving_server.py

lint: $(READY) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(READY) ## Write what is generated from the code: schemas/ and docs/settings.md
	$(BIN)/python -m tests.generate

record: $(READY) ## Record the cassettes again: from the sandbox, and from a real account where keys are set
	TCSS_RECORD=1 $(BIN)/pytest -q tests/api/test_cassettes.py

bench: $(READY) .venv-rivals/.ready ## Measure; figures depend on the machine, ratios hardly
	$(BIN)/python -m tests.benchmarks

bench-dashboard: .venv-analysts/.ready /usr/bin/chromium ## Measure how long the dashboard takes to open and to answer a filter
	.venv-analysts/bin/python -m tests.benchmarks.dashboard

constraints: $(UV) ## Pin, with hashes, what pyproject.toml asks for; UPGRADE=--upgrade takes the newest set that fits
	echo 'uv==$(UV_VERSION)' | $(COMPILE) - -o constraints/uv.txt
	echo 'sqlalchemy==2.0.50' | $(COMPILE) --no-deps - -o constraints/sqlalchemy20.txt
	$(COMPILE) --group build -o constraints/build.txt
	$(COMPILE) pyproject.toml $(addprefix --extra ,$(DRIVERS)) --group dev -o constraints/default.txt
	$(foreach name,$(SCHEDULERS),$(COMPILE) pyproject.toml --extra $(name) --extra postgres --extra mysql --group $(name) -o constraints/$(name).txt &&) true
	$(COMPILE) --group dbt -o constraints/dbt.txt
	$(COMPILE) pyproject.toml --extra notebooks --extra postgres --extra mysql --group analysts -c constraints/default.txt -o constraints/analysts.txt

# Fails where a version has a known hole, and where the index has no list of holes to ask.
audit: $(UV) ## Look for known holes in what is pinned, and in the lowest versions that are allowed
	mkdir -p .audit
	$(UV) pip compile -q --resolution lowest-direct --python-version 3.11 --no-header pyproject.toml \
	    $(addprefix --extra ,$(DRIVERS)) -o .audit/lowest.txt
	$(foreach name,$(SCHEDULERS) notebooks,$(UV) pip compile -q --resolution lowest-direct --python-version 3.11 --no-header \
	    pyproject.toml --extra $(name) -o .audit/lowest-$(name).txt &&) true
	$(foreach file,$(wildcard constraints/*.txt) .audit/lowest.txt $(addprefix .audit/lowest-,$(SCHEDULERS:=.txt) notebooks.txt),\
	    $(UV) tool run pip-audit --strict --no-deps --disable-pip -r $(file) &&) true

clean: ## Remove what was made here
	rm -rf .venv .venv-* .sqlalchemy20 .uv .audit mutants dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints/default.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv
	$(INSTALL) -p .venv --compile-bytecode -c constraints/default.txt -e '.[postgres,mysql]' --group dev
	@touch $@

.venv-%/.ready: pyproject.toml constraints/%.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) $(@D)
	$(INSTALL) -p $(@D) -c constraints/$*.txt -e '.[$*,postgres,mysql]' --group $*
	@touch $@

# The oldest SQLAlchemy that we allow, which Airflow's images pin. Python finds it before the one of an environment.
.sqlalchemy20/.ready: constraints/sqlalchemy20.txt | $(UV)
	rm -rf $(@D)
	$(INSTALL) -p $(PYTHON) --no-deps --target $(@D) -r constraints/sqlalchemy20.txt
	@touch $@

# uv takes a Python that is installed, or downloads one.
INSTALL_BOUND = $(INSTALL) -p $(@D) --compile-bytecode -e '.[postgres,mysql]' --group test --resolution

.venv-lowest-%/.ready: pyproject.toml | $(UV)
	$(UV) venv -q --clear --python $* $(@D)
	$(INSTALL_BOUND) lowest-direct
	@touch $@

.venv-newest-%/.ready: pyproject.toml | $(UV)
	$(UV) venv -q --clear --python $* $(@D)
	$(INSTALL_BOUND) highest
	@touch $@

.venv-mutate/.ready: pyproject.toml constraints/default.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) $(@D)
	$(INSTALL) -p $(@D) -c constraints/default.txt -e '.[postgres,mysql]' --group test --group mutation
	@touch $@

# marimo, a browser's driver, ibis and pandas; kept apart from what the other tests need.
.venv-analysts/.ready: pyproject.toml constraints/analysts.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) $(@D)
	$(INSTALL) -p $(@D) -c constraints/analysts.txt \
	    -e '.[notebooks,postgres,mysql]' --group analysts
	@touch $@

# Debian's browser, where apt-get may install it; else the tests say that it is missing, and fail under CI.
/usr/bin/chromium:
	-command -v apt-get && apt-get update -qq && apt-get install -y -qq chromium >/dev/null

# dbt, which asks for an older pathspec than our linters have.
.venv-dbt/.ready: pyproject.toml constraints/dbt.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) $(@D)
	$(INSTALL) -p $(@D) -c constraints/dbt.txt --group dbt
	@touch $@

# What people use today; kept apart, because pandas in our environment would change our own figures.
.venv-rivals/.ready: constraints/default.txt | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv-rivals
	$(INSTALL) -p .venv-rivals -c constraints/default.txt pandas duckdb pyarrow httpx orjson tencentcloud-sdk-python-tcss tencentcloud-sdk-python-common
	@touch $@

$(UV): constraints/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .uv
	.uv/bin/pip install -q --no-deps --require-hashes -r constraints/uv.txt
	@touch $@
