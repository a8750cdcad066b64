"""`connector.warehouse.locks`: one sync at a time, on real files and servers."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from dlt.common.destination.client import RunnableLoadJob

from connector.errors import DestinationError, LockedError
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.warehouse import locks
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.locks import lock, prove
from tests import syncing
from tests.test_crash import assert_whole
from tests.warehouses import FILES, SERVERS, Place

HOLD = """
import sys
from connector.warehouse.locations import locate
from connector.warehouse.locks import lock
with lock(locate(sys.argv[1], sys.argv[2]), sys.argv[3]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(place: Place, account_id: str = "1") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the account's lock."""
    command = [sys.executable, "-c", HOLD, place.url, place.dataset, account_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lock_that_another_process_holds_is_refused_at_once(place: Place) -> None:
    """Exit code 7, no waiting."""
    with holder(place), pytest.raises(LockedError, match="another sync") as caught, lock(place.location, "1"):
        pass
    assert caught.value.exit_code == 7


def test_a_lock_that_another_thread_holds_is_refused_at_once(place: Place) -> None:
    """Two accounts in one process are two threads; the same account twice is a mistake."""
    found: list[Exception] = []

    def second() -> None:
        try:
            with lock(place.location, "1"):
                pass
        except LockedError as error:
            found.append(error)

    with lock(place.location, "1"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert [type(error) for error in found] == [LockedError]


def test_a_killed_process_holds_nothing(place: Place) -> None:
    """SIGKILL leaves no lock behind: a server sees the connection end, the system closes the file."""
    with holder(place) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    taken, deadline = False, time.monotonic() + 20
    while not taken and time.monotonic() < deadline:
        try:
            with lock(place.location, "1"):
                taken = True
        except LockedError:
            continue
    assert taken


def test_a_lock_can_be_taken_again_at_once(place: Place) -> None:
    """Leaving the block gives it back before anything else happens, by an error too."""
    with pytest.raises(RuntimeError), lock(place.location, "1"):
        raise RuntimeError
    with lock(place.location, "1"), pytest.raises(LockedError), lock(place.location, "1"):
        pass
    with lock(place.location, "1"):
        pass


def test_accounts_exclude_each_other_only_where_the_file_has_one_writer(place: Place) -> None:
    """On a server two accounts load at the same time, and two datasets do not know each other."""
    with holder(place):
        try:
            with lock(place.location, "2"):
                free = True
        except LockedError:
            free = False
    assert free is (place.kind not in FILES)


def test_two_names_of_one_file_share_a_lock(tmp_path: Path) -> None:
    """A symbolic link is the same warehouse."""
    (tmp_path / "w.duckdb").touch()
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "w.duckdb")
    one, two = (locate(f"duckdb:///{tmp_path}/{name}.duckdb") for name in ("w", "link"))
    with lock(one, "1"), pytest.raises(LockedError), lock(two, "1"):
        pass


@pytest.mark.parametrize("place", FILES, indirect=True)
def test_a_sync_whose_lock_file_was_deleted_writes_nothing_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a person whom the second sync has told that another one is writing: that second sync may run now."""
    load = Loader.load

    def loaded(loader: Loader, files: Any) -> None:
        load(loader, files)
        if "image_history" in files:
            place.file.with_name(f"{place.file.name}.lock").unlink()

    monkeypatch.setattr(Loader, "load", loaded)
    monkeypatch.setattr("connector.runs.run.round_trip", lambda *_: None)
    with (
        Sandbox(Fleet.seeded(20, clock=wall_clock), rate=None) as sandbox,
        pytest.raises(DestinationError, match=r"lock of .* is lost: somebody has deleted .*\.lock"),
    ):
        syncing.sync(place, sandbox.url)
    assert place.sql("SELECT count(*) FROM {data}.images") == [(0,)]
    with lock(place.location, "1") as still_held:
        still_held()
        place.file.with_name(f"{place.file.name}.lock").unlink()
        with lock(place.location, "1"), pytest.raises(DestinationError, match="is lost"):
            still_held()


def test_a_missing_directory_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    """Locking creates nothing but the lock file."""
    location = locate(f"duckdb:///{tmp_path}/none/w.duckdb")
    with pytest.raises(DestinationError, match="Check that the directory exists"), lock(location, "1"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_directory_is_no_warehouse(scheme: str, tmp_path: Path) -> None:
    """It is said to be one, and no lock file is left beside it."""
    (tmp_path / "data").mkdir()
    location = locate(f"{scheme}:///{tmp_path}/data", None)
    with pytest.raises(DestinationError, match=r"Is a directory: .*Name a file in that directory"), lock(location, "1"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_an_unreachable_server_is_an_error() -> None:
    """Not a held lock."""
    location = locate("postgresql://u:p@127.0.0.1:1/d")
    with pytest.raises(DestinationError, match="Connection refused"), lock(location, "1"):
        pass


def test_where_no_lock_is_known_nothing_is_locked() -> None:
    """There the scheduler must not start a sync twice."""
    location = locate("motherduck")
    assert not location.has_lock
    with lock(location, "1"), lock(location, "1"):
        pass


# ---- other users of the machine ----


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=["duckdb", "sqlite"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place in a directory that everybody may write to, as in /tmp."""
    directory = tmp_path / "shared"
    directory.mkdir()
    directory.chmod(0o1777)
    url = f"{request.param}:///{directory}/w.{request.param}"
    dataset = "main" if request.param == "sqlite" else "tcss"
    return Place(request.param, url, dataset, directory, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_nobody_else_can_open_the_file_of_a_lock(before: int | None, tmp_path: Path) -> None:
    """Who may read it may lock it. One that an older release left is closed too."""
    file = tmp_path / "w.duckdb.lock"
    mask = os.umask(0)
    if before is not None:
        file.touch()
        file.chmod(before)
    with lock(locate(f"duckdb:///{tmp_path}/w.duckdb"), "1"):
        assert permissions(file) == 0o600
    os.umask(mask)


def test_where_everybody_may_make_files_the_lock_is_in_a_directory_of_the_user(shared: Place) -> None:
    """There somebody else could have made its file first, and hold it."""
    (shared.directory / f"{shared.file.name}.lock").touch()  # by somebody else, who holds it
    own = shared.directory / f".tcss-{os.geteuid()}"
    with lock(shared.location, "1"):
        assert (permissions(own), [path.name for path in own.iterdir()]) == (0o700, [f"{shared.file.name}.lock"])


@pytest.mark.thorough
def test_runs_of_one_user_meet_whatever_their_environment_is(shared: Place, tmp_path: Path) -> None:
    """A shell, cron and a service have other homes, other directories for files, and none of the variables."""
    (tmp_path / "home").mkdir()
    environments = {
        "cron": {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]},
        "a service": {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent", "TMPDIR": str(tmp_path)},
        "nothing": {},
    }
    with lock(shared.location, "1"):
        for environ in environments.values():
            command = [sys.executable, "-c", HOLD, shared.url, shared.dataset, "1"]
            refused = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=environ,
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            assert "LockedError: another sync is writing" in refused.stderr


def _of_a_stranger(path: Path) -> None:
    path.mkdir(0o700)
    if os.getuid() == 0:
        os.chown(path, 4242, 4242)
    else:
        path.chmod(0o777)


def _open_to_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)


STRANGE: dict[str, Callable[[Path], None]] = {
    "another user's": _of_a_stranger,
    "open to all": _open_to_all,
    "a link": lambda path: path.symlink_to(path.parent),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_directory_for_locks_that_others_can_enter_is_refused(what: str, shared: Place) -> None:
    """Rather than waiting for them."""
    STRANGE[what](shared.directory / f".tcss-{os.geteuid()}")
    with (
        pytest.raises(DestinationError, match=r"not this user's alone.*directory of your own"),
        lock(shared.location, "1"),
    ):
        pass


# ---- a lock that is lost before its holder ends ----

SERVER = pytest.mark.parametrize("place", SERVERS, indirect=True)


class Connections:
    """The connections that hold locks, which a server may end."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self._place, self._made, connect = place, list[sa.Connection](), locks._connect

        def kept(*given: Any) -> sa.Connection:
            self._made.append(connect(*given))
            return self._made[-1]

        monkeypatch.setattr(locks, "_connect", kept)

    @property
    def newest(self) -> sa.Connection:
        return self._made[-1]

    def end(self) -> None:
        """Ends the newest, as a failover or a router does: whoever holds the lock is not told."""
        own = "pg_backend_pid()" if self._place.kind == "postgresql" else "CONNECTION_ID()"
        end = "SELECT pg_terminate_backend({})" if self._place.kind == "postgresql" else "KILL {}"
        self._place.sql(end.format(self.newest.exec_driver_sql(f"SELECT {own}").scalar()))


@pytest.fixture
def connections(place: Place, monkeypatch: pytest.MonkeyPatch) -> Connections:
    return Connections(place, monkeypatch)


def test_a_lock_is_held_until_it_is_given_back(place: Place) -> None:
    """Asking takes nothing and changes nothing."""
    with lock(place.location, "1") as still_held:
        still_held()
        with pytest.raises(LockedError), lock(place.location, "1"):
            pass
        still_held()


@SERVER
def test_a_lock_whose_connection_ended_is_not_held(place: Place, connections: Connections) -> None:
    """Somebody else may have it by now."""
    with lock(place.location, "1") as still_held:
        connections.end()
        with pytest.raises(DestinationError, match=r"connection to .* that holds this sync's lock is lost.* Run again"):
            still_held()


@SERVER
def test_a_lock_that_the_server_does_not_know_is_not_held(place: Place, connections: Connections) -> None:
    """As behind a pooler, where the connection lives and the session behind it is another one."""
    with lock(place.location, "1") as still_held:
        release = "SELECT pg_advisory_unlock_all()" if place.kind == "postgresql" else "DO RELEASE_ALL_LOCKS()"
        connections.newest.exec_driver_sql(release)
        with pytest.raises(DestinationError, match=r"this sync's lock in .* is lost.* a pooler"):
            still_held()


@SERVER
def test_a_check_takes_a_lock_and_asks_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler that gives each transaction a session of its own is found before the first sync, with what to do."""
    prove(place.location)
    connect = locks._connect

    class Pooled:
        """A connection through such a pooler: here each statement is one transaction."""

        def __init__(self, *made: Any) -> None:
            self._made = made

        def execute(self, *statement: Any) -> Any:
            with connect(*self._made) as session:
                result = session.execute(*statement)
                answer = result.scalar() if result.returns_rows else None
            return SimpleNamespace(scalar=lambda: answer)

        def exec_driver_sql(self, statement: str) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr(locks, "_connect", Pooled)
    with pytest.raises(DestinationError, match=r"lock in .* is lost.* connect to the server itself, since a pooler"):
        prove(place.location)


@pytest.mark.thorough("while the list is read", "duckdb", "mysql")
@SERVER
@pytest.mark.parametrize("moment", ["while the list is read", "between two packages"])
def test_a_sync_that_lost_its_lock_writes_nothing_over_another(
    place: Place, moment: str, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock's connection alone ends, a second sync begins and completes, and the first one goes on with what it has
    read: it ends with the cause, and what the second wrote stays."""
    fleet = Fleet.seeded(150, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        assert syncing.sync(place, sandbox.url)["verdict"] == "complete"
        sandbox.change({"change_counts": 150})
        second: dict[str, Any] = {}

        def another() -> None:
            if not second:
                second["begun"] = True
                connections.end()
                sandbox.change({"change_counts": 150, "insert": 5, "delete": 5})
                second.update(syncing.sync(place, sandbox.url, mode="full"))

        load = Loader.load

        def loaded(loader: Loader, files: Any) -> None:
            load(loader, files)
            if moment == "between two packages" and "image_history" in files:
                another()

        def progress(shown: int, *_: object) -> None:
            if moment == "while the list is read":
                another()

        monkeypatch.setattr(Loader, "load", loaded)
        with pytest.raises(DestinationError, match="lock is lost"):
            syncing.sync(place, sandbox.url, progress, mode="full")
        assert second["verdict"] == "complete"
        assert_whole(place, fleet)
        assert place.sql("SELECT count(*) FROM {data}.sync_runs") == [(2,)]


@pytest.mark.thorough
@SERVER
def test_a_load_whose_lock_is_lost_merges_nothing_more(
    place: Place, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second sync has completed before a job of the first sync's load begins, as one that dlt tries again."""
    fleet = Fleet.seeded(60, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        assert syncing.sync(place, sandbox.url)["verdict"] == "complete"
        sandbox.change({"change_counts": 60})
        run, second = RunnableLoadJob.run_managed, list[int | None]()

        def managed(job: RunnableLoadJob, *given: Any, **options: Any) -> None:
            if not second and job.job_file_info().table_name == "image_history":
                second.append(None)
                connections.end()
                sandbox.change({"change_counts": 60, "insert": 5, "delete": 5})
                second.append(syncing.ended(syncing.start(place, sandbox.url, sandbox.accounts.first)))
            run(job, *given, **options)

        monkeypatch.setattr(RunnableLoadJob, "run_managed", managed)
        with pytest.raises(DestinationError, match="lock is lost"):
            syncing.sync(place, sandbox.url, mode="full")
        assert second == [None, 0]
        assert_whole(place, fleet)
