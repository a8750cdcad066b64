"""`connector.warehouse.workdirs`: a directory for temporary files that no load can go through is named."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import string
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest

from connector.errors import ConfigurationError
from connector.tables import IMAGES
from connector.texts import visible
from connector.warehouse import workdirs
from connector.warehouse.inventory import Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.probes import probe
from connector.warehouse.roundtrip import round_trip
from tests.warehouses import Place
from tests.world import world

UNUSABLE = "%?\\"
NOT_UTF8 = "\udce9"  # as Python decodes the byte e9 of a name
USABLE = "".join(sorted({" ", *string.punctuation} - {*UNUSABLE, "/"})) + "é中"


def test_every_other_character_will_do(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, in a load and in what comes before it."""
    directory = tmp_path / f"a{USABLE}b"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    round_trip(place.location)
    assert [path for path in directory.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("command", ["sync", "check"])
@pytest.mark.parametrize("character", [*UNUSABLE, "%s", "%20", NOT_UTF8])
def test_what_cannot_be_used_is_said_in_one_line(
    command: str, character: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cause, the next step and the code for bad configuration; and the destination is not blamed."""
    directory = tmp_path / f"a{character}b"
    directory.mkdir()
    said = f"no load can go through the directory for temporary files, {visible(str(directory))}. Set TMPDIR"
    with world(tmp_path, monkeypatch, images=3) as account:
        monkeypatch.setattr(tempfile, "tempdir", str(directory))
        assert_said(account, command, said)


@pytest.mark.parametrize("command", ["sync", "check"])
def test_no_directory_at_all(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose file system is read-only."""
    with world(tmp_path, monkeypatch, images=3) as account:
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
        assert_said(account, command, "there is no directory for temporary files. Set TMPDIR")


def assert_said(account: Any, command: str, text: str) -> None:
    result = account.tcss(command)
    assert result.exit_code == 2, result.output
    assert [line for line in result.output.splitlines() if text in line], result.output
    assert not account.file.exists()


def test_a_directory_that_has_become_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there when the process began."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"cannot make a directory in /nowhere: No such file.*Set TMPDIR"):
        workdirs.make()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG], ids=errno.errorcode.get)
def test_a_full_disk_is_no_unexpected_error(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a read-only one, nor a limit of file sizes. The warehouse, which may be elsewhere, is not blamed."""
    said = f"cannot write temporary files in {tempfile.gettempdir()}: {os.strerror(number)}. Free space there"
    with world(tmp_path, monkeypatch, images=3, begun="prepared") as account:
        monkeypatch.setattr("connector.runs.spool.pq.ParquetWriter", mock.Mock(side_effect=OSError(number, "full")))
        result = account.tcss("sync")
        assert (result.exit_code, said in result.output) == (2, True), result.output
        assert account.query("select * from tcss.images") == account.query("select * from tcss.sync_runs") == []


@pytest.mark.parametrize("make", [workdirs.workdir, lambda: workdirs.held("tcss_test_", 60)], ids=["workdir", "held"])
def test_other_errors_keep_their_names(make: Callable[[], AbstractContextManager[Path]]) -> None:
    """The directory is gone after each of them."""
    for number, kind in ((errno.ENOSPC, ConfigurationError), (errno.EACCES, PermissionError)):
        with pytest.raises(kind), make() as made:
            raise OSError(number, "")
        assert not made.exists()


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def clean(prefix: str = "left_") -> None:
    with workdirs.held(prefix, 3600):
        pass


def test_what_killed_runs_left_goes_where_it_is_this_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has touched for the time; and not what a link or another user has there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    for name in ("left_old", "left_new", "other_old"):
        (tmp_path / name).mkdir()
    (tmp_path / "left_link").symlink_to(tmp_path / "mine")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    os.utime(tmp_path / "left_new", (now := time.time(), now))  # the kernel's clock may be another
    clean()
    found = {"left_new", "left_link", "mine", "other_old"}
    assert (names(tmp_path), names(tmp_path / "mine")) == (found, {"file"})
    os.utime(tmp_path / "left_new", (0, 0))
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "left_new").stat().st_uid + 1)
    clean()
    assert names(tmp_path) == found


@pytest.mark.parametrize("left", ["sync", "work", "jobs", "dashboard", "dagster"])
@pytest.mark.parametrize("make", [workdirs.workdir, lambda: workdirs.held(workdirs.SYNC)], ids=["command", "sync"])
def test_what_any_killed_command_left_goes_with_the_next_one(
    left: str, make: Callable[[], AbstractContextManager[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day later, and not what a person has named in a like way."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (f"tcss_{left}_old", f"tcss_{left}_new", "tcss_demo"):
        (tmp_path / name).mkdir()
    for name in (f"tcss_{left}_old", "tcss_demo"):
        os.utime(tmp_path / name, (0, 0))
    with make():
        pass
    assert names(tmp_path) == {f"tcss_{left}_new", "tcss_demo"}


def test_a_process_that_looks_for_stale_directories_does_not_stop_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment, it has locked a directory that has just been made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make, looking = workdirs.make, list[threading.Timer]()

    def looked_at(prefix: str) -> Path:
        directory = make(prefix)
        descriptor = os.open(directory, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        looking.append(threading.Timer(0.1, os.close, (descriptor,)))
        looking[0].start()
        return directory

    monkeypatch.setattr(workdirs, "make", looked_at)
    with workdirs.workdir() as directory:
        assert directory.is_dir()
    looking[0].join()


@pytest.mark.round_trip
def test_all_that_a_first_sync_makes_is_in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a later sync removes what a killed one left, the files of the test of texts too."""
    temporary, seen = tmp_path / "temporary", set[str]()
    temporary.mkdir()
    load = Loader.load

    def watched(loader: Loader, files: Mapping[str, Path]) -> None:
        seen.update(names(temporary))
        assert all(file.relative_to(temporary) for file in files.values())
        load(loader, files)

    with world(tmp_path, monkeypatch, images=3) as account:
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        monkeypatch.setattr(Loader, "load", watched)
        account.sync()
    assert {name[:10] for name in seen} == {"tcss_sync_"}
    assert names(temporary) == set()


def test_a_directory_in_use_stays_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run beside this one may have a clock that is years ahead."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workdirs.held("left_", 3600) as directory:
        os.utime(directory, (0, 0))
        clean()
        assert directory.is_dir()
    assert names(tmp_path) == set()


def test_directories_for_files_are_their_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the umask."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mask = os.umask(0)
    with workdirs.workdir() as one:
        assert [stat.S_IMODE(path.stat().st_mode) for path in (one, workdirs.make())] == [0o700, 0o700]
    os.umask(mask)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_warehouses_file_may_have_any_name(kind: str, tmp_path: Path) -> None:
    """It is that file, and no other."""
    others = {"/", "\\", "?"} if kind == "duckdb" else {"/", "\\"}
    for character in (*(set(" " + string.punctuation) - others), "é", "中", "%41", "%s"):
        location = locate(f"{kind}:///{tmp_path}/{quote(f'a{character}b', safe='')}")
        assert location.file == tmp_path / f"a{character}b"
        probe(location)


def test_a_path_that_duckdb_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    """DuckDB takes a backslash for a slash, and writes its log elsewhere if there is a question mark."""
    for name in (r"a\b.duckdb", "a?b/w.duckdb", "a?b.duckdb"):
        with pytest.raises(ConfigurationError, match="DuckDB cannot open"):
            locate(f"duckdb:///{tmp_path}/{quote(name)}")


@pytest.mark.parametrize("url", ["duckdb:///{}.duckdb", "sqlite:///{}.db", "postgresql://u:{}@h/d"])
def test_a_destination_that_is_not_utf8(url: str) -> None:
    """No driver takes such a name; it is bad usage, and the warehouse is not blamed."""
    with pytest.raises(ConfigurationError, match="is not a URL that can be read"):
        locate(url.format(NOT_UTF8))


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_working_directory_that_is_not_utf8(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path begins there."""
    directory = tmp_path / NOT_UTF8
    directory.mkdir()
    monkeypatch.chdir(directory)
    with pytest.raises(ConfigurationError, match=r"is not UTF-8\. Rename the file or the directory"):
        locate(f"{scheme}:///a.db")


def test_a_home_directory_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a user without an entry in the system's list of users."""
    monkeypatch.setattr(Path, "expanduser", mock.Mock(side_effect=RuntimeError("Could not determine home directory.")))
    with pytest.raises(ConfigurationError, match="is in a home directory, and this process has none"):
        locate("duckdb:///~/w.duckdb")


def test_the_files_of_odd_names_are_read_back(place: Place) -> None:
    """A load's own file may have such a name too, where the directory has."""
    pipeline = place.prepared()
    file = place.parquet(IMAGES, {"account_id": "1", "image_id": "x"})
    odd = file.with_name("a'b c[d]{e}*.parquet")
    file.rename(odd)
    place.loader(pipeline).load({"images": odd})
    assert Inventory(place.location, pipeline).rows("1", ["x"]).num_rows == 1
