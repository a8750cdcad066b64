"""Airflow with the CeleryExecutor, Redis and PostgreSQL: six accounts into one dataset on two workers, one of which is
killed with SIGKILL in mid-load. `make test-scale` runs this, outside of CI; it takes some minutes.

Everything is started here, on loopback addresses, in a directory of its own, and ended by its process id.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import psutil
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from connector.airflow.accounts import pools
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import Account
from tests.syncing import loaded, truth
from tests.warehouses import Place, place

ACCOUNTS = 6
IMAGES = 2000
SLOTS = 3  # of each worker
HEARTBEAT = 15  # seconds after which a task without a sign of life has failed; Airflow's default is 300
CHANGES = {"rescan": 300, "insert": 60, "delete": 40, "change_counts": 50}
DAGS = """
import os
from datetime import timedelta
from typing import Any
from airflow.sdk import DAG, task
from connector.airflow import TcssPublishOperator, sync_accounts, table_asset

IMAGES = table_asset("images")
with DAG("accounts", schedule=None, params={"mode": "auto"},
         default_args={"retries": 3, "retry_delay": timedelta(seconds=1)}):
    syncs = sync_accounts(os.environ["ACCOUNTS"].split(","), destination_conn_id="warehouse",
                          dataset=os.environ["DATASET"], mode="{{ params.mode }}",
                          settings={"confirm_gone_after": 0})
    TcssPublishOperator(task_id="publish", results=[sync.output for sync in syncs], outlets=[IMAGES])

with DAG("consumer", schedule=[IMAGES]):
    @task
    def changed(triggering_asset_events: dict[Any, Any] | None = None) -> list[int]:
        return [event.extra["rows"] for event in triggering_asset_events[IMAGES]]
    changed()
"""


@dataclass
class Report:
    """What happened: by run and task, the number of the attempt that succeeded and the worker that it ran on; the tasks
    that the killed worker was running; what was not as it should be; the rows that the consumer was told of, and those
    that had changed; and the calls of all tasks to Airflow's execution API."""

    attempts: dict[str, dict[str, int]] = field(default_factory=dict)
    workers: dict[str, dict[str, str]] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    events: list[list[int]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)


class Cluster:
    """The processes of one Airflow, and its metadata database."""

    def __init__(self, home: Path, metadata: sa.URL, environment: dict[str, str], say: Callable[[str], None]) -> None:
        self._home, self._say = home, say
        self._environment = {**os.environ, **environment}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._engine = sa.create_engine(metadata, poolclass=NullPool)

    def sql(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement), parameters)]

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self._home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=self._environment, cwd=self._home
            )
        self.processes[name] = process
        return process

    def airflow(self, *arguments: str) -> None:
        """A command that ends."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("airflow")), *arguments],
            env=self._environment,
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"airflow {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    def wait(self, what: str, reached: Callable[[], bool], seconds: int = 240) -> None:
        """Looks until it is so. These are other processes, whose databases are all that can be asked."""
        self._say(f"... {what}")
        end = time.monotonic() + seconds
        while not reached():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} has ended\n{self.tail(name)}"
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {seconds} s\n" + "\n".join(map(self.tail, self.processes)))
            time.sleep(0.1)

    def tail(self, name: str) -> str:
        return f"==== {name}\n" + (self._home / f"{name}.log").read_text(errors="replace")[-3000:]

    def log(self, name: str) -> str:
        return (self._home / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """SIGKILL to a process and all its descendants, as if its machine had lost power."""
        process = self.processes.pop(name)
        family = family_of(process.pid)
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=30)
        process.wait(30)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)


def family_of(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def database(server: sa.URL) -> Iterator[sa.URL]:
    """A PostgreSQL database for Airflow's metadata, dropped at the end."""
    name = f"tcss_airflow_{uuid4().hex[:8]}"
    admin = sa.create_engine(
        server.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with admin.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    try:
        yield server.set(drivername="postgresql+psycopg2", database=name)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def settings(home: Path, metadata: sa.URL, redis: int, api: int) -> dict[str, str]:
    url = metadata.render_as_string(hide_password=False)
    given = {
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__DAGS_FOLDER": str(home / "dags"),
        "CORE__LOAD_EXAMPLES": "false",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "API__SECRET_KEY": secrets.token_hex(32),
        "API__WORKERS": "1",
        "DATABASE__SQL_ALCHEMY_CONN": url,
        "CELERY__BROKER_URL": f"redis://127.0.0.1:{redis}/0",
        "CELERY__RESULT_BACKEND": f"db+{url}",
        "CELERY__WORKER_CONCURRENCY": str(SLOTS),
        "CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    }
    return {"AIRFLOW_HOME": str(home), **{f"AIRFLOW__{name}": value for name, value in given.items()}}


def connections(url: str, accounts: list[Account], warehouse: Place) -> dict[str, str]:
    found = {
        name_of(account): {
            "conn_type": "tcss",
            "login": account.secret_id,
            "password": account.secret_key,
            "extra": {"endpoint": url},
        }
        for account in accounts
    }
    return {
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in found.items()},
        "AIRFLOW_CONN_WAREHOUSE": warehouse.url,
        "ACCOUNTS": ",".join(found),
        "DATASET": warehouse.dataset,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


def name_of(account: Account) -> str:
    return f"tcss_{account.account_id}"


def prove(say: Callable[[str], None] = print) -> Report:
    """Two DAG runs: six first loads at once; then, after changes, six loads of which three lose their worker."""
    accounts = [
        Account(
            Fleet.seeded(IMAGES, seed=number, clock=wall_clock),
            f"AKID{number}EXAMPLE",
            f"KEY{number}EXAMPLE",
            f"10{number}",
        )
        for number in range(1, ACCOUNTS + 1)
    ]
    report = Report()
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="tcss_celery_"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        warehouse = stack.enter_context(place("postgresql", home))
        metadata = stack.enter_context(database(sa.make_url(warehouse.url)))
        first, *others = accounts
        options = {"secret_id": first.secret_id, "secret_key": first.secret_key, "account_id": first.account_id}
        sandbox = stack.enter_context(Sandbox(first.fleet, accounts=others, rate=20, **options))
        cluster = start(home, metadata, sandbox, accounts, warehouse, say)
        stack.callback(cluster.stop)

        say(f"first run: {ACCOUNTS} accounts of {IMAGES} images at once, into tables that do not exist yet")
        began = time.monotonic()
        trigger(cluster, "first")
        finished(cluster, "first")
        say(f"    {time.monotonic() - began:.0f} s")
        compare(report, cluster, "first", accounts, warehouse, say)

        report.changed = [change(sandbox, account) for account in accounts]
        say(f"the fleets change, by {sum(report.changed)} images; second run, with a worker that is killed in mid-load")
        with stalled(warehouse):
            trigger(cluster, "second", mode="full")
            cluster.wait("all six stand between history and images", lambda: waiting(warehouse) == ACCOUNTS)
            pids = dict(cluster.sql("SELECT task_id, pid FROM task_instance WHERE run_id = 'second' AND pid > 0"))
            lost = {member.pid for member in family_of(cluster.processes["worker1"].pid)}
            report.killed = sorted(task_id for task_id, pid in pids.items() if pid in lost)
            say(f"SIGKILL to worker1 and its {len(lost) - 1} descendants; it was loading {', '.join(report.killed)}")
            cluster.kill("worker1")
        finished(cluster, "second")
        compare(report, cluster, "second", accounts, warehouse, say)
        cluster.wait("the consumer of the asset", lambda: len(consumed(cluster)) == 2)
        report.events = consumed(cluster)
        log = cluster.log("api-server")
        report.calls = {name: log.count(f"/execution/{name}/") for name in ("task-instances", "xcoms", "variables")}
        say(f"calls to Airflow's execution API: {report.calls}")
        say(f"the consumer was started {len(report.events)} times, by events of {report.events} rows")
    return report


def start(
    home: Path,
    metadata: sa.URL,
    sandbox: Sandbox,
    accounts: list[Account],
    warehouse: Place,
    say: Callable[[str], None],
) -> Cluster:
    """Redis, the API server, the scheduler, the DAG processor and two workers."""
    (home / "dags").mkdir()
    (home / "dags" / "dags.py").write_text(DAGS, encoding="utf-8")
    (home / "pools.json").write_text(json.dumps(pools(map(name_of, accounts))), encoding="utf-8")
    redis, api = free_port(), free_port()
    environment = {**settings(home, metadata, redis, api), **connections(sandbox.url, accounts, warehouse)}
    cluster = Cluster(home, metadata, environment, say)
    airflow = str(Path(sys.executable).with_name("airflow"))
    try:
        cluster.start("redis", "redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "")
        say("metadata database and pools")
        cluster.airflow("db", "migrate")
        cluster.airflow("pools", "import", str(home / "pools.json"))
        cluster.start("api-server", airflow, "api-server", "--host", "127.0.0.1", "--port", str(api))
        cluster.wait("the API server", lambda: answers(f"http://127.0.0.1:{api}/api/v2/version"))
        cluster.start("scheduler", airflow, "scheduler", "--skip-serve-logs")
        cluster.start("dag-processor", airflow, "dag-processor")
        for name in ("worker1", "worker2"):
            options = ["--celery-hostname", f"{name}@%h", "--skip-serve-logs", "--pid", str(home / f"{name}.pid")]
            cluster.start(name, airflow, "celery", "worker", *options)
        cluster.wait("both workers", lambda: all(" ready" in cluster.log(name) for name in ("worker1", "worker2")))
        cluster.wait("the DAGs", lambda: len(cluster.sql("SELECT dag_id FROM serialized_dag")) == 2)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def trigger(cluster: Cluster, run_id: str, **conf: str) -> None:
    cluster.airflow("dags", "trigger", "accounts", "--run-id", run_id, "--conf", json.dumps(conf))


def finished(cluster: Cluster, run_id: str) -> None:
    query = "SELECT state FROM dag_run WHERE dag_id = 'accounts' AND run_id = :run_id"
    cluster.wait(f"the run {run_id}", lambda: cluster.sql(query, run_id=run_id)[0][0] in ("success", "failed"), 400)
    assert cluster.sql(query, run_id=run_id) == [("success",)], f"the run {run_id} has failed"


def change(sandbox: Sandbox, account: Account) -> int:
    """Changes the fleet; how many images are new, other or gone."""
    before = truth(account.fleet)
    sandbox.change(CHANGES, account.account_id)
    after = truth(account.fleet)
    return sum(before.get(image_id) != after.get(image_id) for image_id in {*before, *after})


@contextmanager
def stalled(warehouse: Place) -> Iterator[None]:
    """Nobody can write `images` meanwhile: each load comes to a halt between its packages."""
    with warehouse.engine.connect() as connection:
        connection.exec_driver_sql(f'LOCK TABLE "{warehouse.dataset}".images IN EXCLUSIVE MODE')
        yield
        connection.rollback()


def waiting(warehouse: Place) -> int:
    """How many loads stand still there."""
    ((count,),) = warehouse.sql(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{data}.images'::regclass"
    )
    return int(count)


def consumed(cluster: Cluster) -> list[list[int]]:
    """What the consumer's runs returned."""
    rows = cluster.sql(
        "SELECT x.value FROM xcom x JOIN dag_run r USING (dag_id, run_id) "
        "WHERE dag_id = 'consumer' AND key = 'return_value' ORDER BY r.run_after"
    )
    return [value if isinstance(value, list) else json.loads(value) for (value,) in rows]


def compare(
    report: Report,
    cluster: Cluster,
    run_id: str,
    accounts: list[Account],
    warehouse: Place,
    say: Callable[[str], None],
) -> None:
    """Every account's rows with the sandbox's truth; and which attempt on which worker it was."""
    tries = dict(cluster.sql("SELECT task_id, try_number FROM task_instance WHERE run_id = :run", run=run_id))
    ids = dict(cluster.sql("SELECT task_id, external_executor_id FROM task_instance WHERE run_id = :run", run=run_id))
    logs = {name: cluster.log(name) for name in ("worker1", "worker2")}
    report.attempts[run_id], report.workers[run_id] = tries, {}
    for account in accounts:
        task_id = f"sync_{name_of(account)}"
        worker = next((name for name, log in logs.items() if str(ids[task_id]) in log), "unknown")
        report.workers[run_id][task_id] = worker
        expected, found = truth(account.fleet), loaded(warehouse, account.account_id)
        where = f"WHERE account_id = '{account.account_id}'"
        ((rows, versions),) = warehouse.sql(
            f"SELECT count(*), count(DISTINCT (image_id, version)) FROM {{data}}.image_history {where}"
        )
        ((unknown,),) = warehouse.sql(
            "SELECT count(*) FROM {data}.images i "
            "LEFT JOIN {data}.image_history h USING (account_id, image_id, version) "
            f"{where} AND h.row_hash IS DISTINCT FROM i.row_hash"
        )
        good = found == expected and rows == versions and unknown == 0
        if not good:
            report.wrong.append(f"{run_id}: {account.account_id}")
        say(
            f"    account {account.account_id}: {len(found)} of {len(expected)} images, "
            f"{'equal to' if good else 'NOT'} the truth; attempt {tries[task_id]}, {worker}"
        )


if __name__ == "__main__":
    began = time.monotonic()
    found = prove()
    print(f"{'WRONG: ' + ', '.join(found.wrong) if found.wrong else 'all equal'}; {time.monotonic() - began:.0f} s")  # noqa: T201
    sys.exit(bool(found.wrong))
