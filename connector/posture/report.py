"""Writes the document into a file, for `tcss report`."""

from __future__ import annotations

import stat
from pathlib import Path
from tempfile import NamedTemporaryFile

from connector.errors import ConfigurationError
from connector.posture import document
from connector.posture.queries import Queries


def write(destination: str | None, dataset: str | None, output: Path, account: str | None = None) -> None:
    """Write the whole report, of the account with that name or of all, or leave the existing file as it is.

    Raises ConfigurationError if the warehouse's file does not exist, or if `output` cannot be a file, and
    DestinationError if the warehouse cannot be read.
    """
    mode = _mode(output)
    text = document.report(Queries.open(destination, dataset, account))
    try:
        _publish(text, output, mode)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output}: {error.strerror}",
            hint="Name a file in a directory that exists and has room, with --output.",
        ) from None


def _mode(output: Path) -> int:
    """Return the permissions of the file to replace; a new file is for its owner alone: the report has the inventory.

    Raises ConfigurationError if `output` is no file: a device or a pipe would be removed, and a link may be another
    user's. Raises ConfigurationError for a database too: nobody means to replace a warehouse by a page.
    """
    try:
        found = output.lstat().st_mode
    except OSError:
        return 0o600
    if not stat.S_ISREG(found):
        what = "a symbolic link" if stat.S_ISLNK(found) else "no regular file"
        raise ConfigurationError(f"{output} is {what}", hint="Name a file, new or to be replaced, with --output.")
    if _is_database(output):
        raise ConfigurationError(f"{output} is a database", hint="Name an HTML file with --output.")
    return stat.S_IMODE(found) & 0o777


def _is_database(output: Path) -> bool:
    """Whether the file begins as a DuckDB or SQLite file does. A file that cannot be read is none."""
    try:
        with output.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start.startswith(b"SQLite format 3\0") or start[8:12] == b"DUCK"


def _publish(text: str, output: Path, mode: int) -> None:
    """Write the text beside `output`, and then put the whole file there. Leave nothing else, whatever happens."""
    with NamedTemporaryFile("w", encoding="utf-8", dir=output.parent, prefix=".tcss_", delete=False) as file:
        made = Path(file.name)
        try:
            file.write(text)
            file.close()
            made.chmod(mode)
            made.replace(output)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
