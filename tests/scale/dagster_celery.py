"""Six accounts into one PostgreSQL dataset on two Celery workers, one of which is killed by SIGKILL in mid-load.

`make test-scale` runs this, outside `make test`: the CeleryRunLauncher on a Redis of its own, Dagster's daemon,
its storage in PostgreSQL, and two workers. It ends with 0 if every account's rows are those of the sandbox.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import sqlalchemy as sa
import yaml

from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import Account
from tests.syncing import loaded, truth
from tests.warehouses import Place, place

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NAMES = ("one", "two", "three", "four", "five", "six")
VICTIM = "three"
PATIENCE = 400.0  # seconds for everything

STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)  # noqa: T201


def until(what: str, condition: Callable[[], Any]) -> Any:
    """The condition's value, as soon as it is true."""
    while not (value := condition()):
        if time.monotonic() - STARTED > PATIENCE:
            raise TimeoutError(what)
        time.sleep(0.2)
    return value


def accounts() -> dict[str, Account]:
    return {
        name: Account(
            Fleet.seeded(600 + 100 * number, seed=number, clock=wall_clock),
            f"AKID{name.upper()}EXAMPLE",
            f"SECRET{name.upper()}EXAMPLE",
            f"{number}00000000001",
        )
        for number, name in enumerate(NAMES, start=1)
    }


@contextmanager
def process(
    name: str, *command: str, environment: Mapping[str, str], directory: Path
) -> Iterator[subprocess.Popen[Any]]:
    """A process in a group of its own, whose log is kept in `directory`; the group is killed at the end."""
    with (directory / f"{name}.log").open("wb") as log:
        running = subprocess.Popen(
            command, env=environment, cwd=directory, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield running
    finally:
        kill(running)


def kill(running: subprocess.Popen[Any]) -> None:
    """SIGKILL for the process and its children."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


@contextmanager
def storage(place: Place) -> Iterator[str]:
    """A database for Dagster's own storage."""
    name = f"tcss_scale_{uuid4().hex[:8]}"
    url = sa.make_url(place.url)

    def run(statement: str) -> None:
        with place.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)

    run(f"CREATE DATABASE {name}")
    try:
        # SQLAlchemy 2.1 takes `postgresql://` for psycopg 3, which dagster-postgres does not install.
        yield url.set(drivername="postgresql+psycopg2", database=name).render_as_string(hide_password=False)
    finally:
        run(f"DROP DATABASE {name} WITH (FORCE)")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def configure(home: Path, redis: str, postgres: str) -> None:
    """`dagster.yaml`, the example's with short times and this launcher; and the configuration of the Celery workers."""
    example = yaml.safe_load((ROOT / "connector/dagster/example/dagster.yaml").read_text(encoding="utf-8"))
    celery = {"broker": redis, "backend": redis, "default_queue": "dagster"}
    example["run_monitoring"] |= {"poll_interval_seconds": 2, "max_runtime_seconds": 45, "start_timeout_seconds": 45}
    instance = {
        **example,
        "storage": {"postgres": {"postgres_url": postgres}},
        "run_launcher": {"module": "dagster_celery.launcher", "class": "CeleryRunLauncher", "config": celery},
        "telemetry": {"enabled": False},
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), encoding="utf-8")
    (home / "dagster_celery_config.py").write_text(
        f"broker_url = result_backend = {redis!r}\n"
        "task_default_queue = 'dagster'\n"
        "task_track_started = True\n"
        "worker_prefetch_multiplier = 1\n",
        encoding="utf-8",
    )


def main() -> None:
    by_name = accounts()
    first, *others = by_name.values()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcss_scale_")))
        warehouse = stack.enter_context(place("postgresql", home))
        postgres = stack.enter_context(storage(warehouse))
        sandbox = stack.enter_context(
            Sandbox(
                first.fleet,
                secret_id=first.secret_id,
                secret_key=first.secret_key,
                account_id=first.account_id,
                accounts=others,
                rate=None,
                latency=0.02,
            )
        )
        tick = datetime.now(UTC) + timedelta(seconds=100)  # time for the daemon to start, and to the end of a minute
        port = free_port()
        redis = f"redis://127.0.0.1:{port}/0"
        configure(home, redis, postgres)
        environment = {
            **os.environ,
            **{f"{name.upper()}_KEY": account.secret_key for name, account in by_name.items()},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{home}{os.pathsep}{ROOT}",
            "DAGSTER_HOME": str(home),
            "HOME": str(home),
            "SCALE_ACCOUNTS": ",".join(NAMES),
            "SCALE_VICTIM": VICTIM,
            "SCALE_MARKS": str(home),
            "SCALE_WAREHOUSE": warehouse.url,
            "SCALE_DATASET": warehouse.dataset,
            "SCALE_ENDPOINT": sandbox.url,
            "SCALE_CRON": f"{tick.minute} {tick.hour} * * *",
            "SCALE_WORKER": "none",
        }

        def run(name: str, *command: str, **extra: str) -> subprocess.Popen[Any]:
            made = process(name, *command, environment={**environment, **extra}, directory=home)
            return stack.enter_context(made)

        stack.callback(show_logs_of_a_failure, home)
        run("redis", "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(home))
        workers = {name: run(name, *worker(name), SCALE_WORKER=name) for name in ("w1", "w2")}
        run("daemon", "dagster-daemon", "run", "-m", "tests.scale.dagster_celery_definitions")
        say(f"two workers and the daemon start; the schedule's tick is at {tick:%H:%M} UTC")
        os.environ["DAGSTER_HOME"] = str(home)
        with dg.DagsterInstance.get() as instance:
            until("the schedule's runs", lambda: instance.get_runs_count() == len(NAMES))
            say(f"{len(NAMES)} runs are queued, with the tag tcss/account")
            killed = until("a sync in mid-load", lambda: text(home / "killed"))
            staged = warehouse.sql(f"SELECT count(*) FROM {warehouse.quoted(staging(warehouse, by_name))}.images")
            assert loaded(warehouse, by_name[VICTIM].account_id) == {}
            kill(workers[killed])
            say(f"{killed} is killed: account {VICTIM} has {staged[0][0]} images in staging, and none in the table")
            until("the end of all runs", lambda: finished(instance))
            report(instance, home, killed)
        for name, account in by_name.items():
            found, expected = loaded(warehouse, account.account_id), truth(account.fleet)
            assert found == expected, f"account {name}: {len(found)} images of {len(expected)}"
            verdicts = warehouse.sql(
                f"SELECT verdict FROM {{data}}.sync_runs WHERE account_id = '{account.account_id}'"
            )
            assert set(verdicts) == {("complete",)}
            say(f"account {name}: {len(found)} images in the warehouse are the sandbox's {len(expected)}")
        say("the warehouse holds every account's truth")


def worker(name: str) -> tuple[str, ...]:
    options = ("-A", "dagster_celery.app", "worker", "-Q", "dagster", "-c", "2", "-n", name, "-l", "info")
    return ("celery", *options, "--without-gossip", "--without-mingle")


def staging(warehouse: Place, by_name: Mapping[str, Account]) -> str:
    return warehouse.location.staging(by_name[VICTIM].account_id)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def finished(instance: dg.DagsterInstance) -> bool:
    """Whether every account has a run that ended well."""
    done = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    return {run.tags["tcss/account"] for run in done} == set(NAMES)


def report(instance: dg.DagsterInstance, home: Path, killed: str) -> None:
    syncs = [tuple(line.split()) for line in text(home / "syncs").splitlines()]
    say(f"syncs by worker: {dict(Counter(worker for _, worker in syncs))}; {killed} was killed")
    say(f"account {VICTIM} was synced by {[worker for name, worker in syncs if name == VICTIM]}")
    say(f"runs: {dict(Counter(run.status.value for run in instance.get_runs()))}")


def show_logs_of_a_failure(home: Path) -> None:
    if sys.exc_info()[0] is None:
        return
    for path in sorted(home.glob("*.log")):
        say(f"---- {path.name}\n{path.read_text(errors='replace')[-3000:]}")


if __name__ == "__main__":
    main()
