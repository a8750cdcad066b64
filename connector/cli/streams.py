"""Makes stdout and stderr that never fail, and that pass no control characters to a terminal.

A closed, broken or full stream, or a stream without Unicode, does not change what the command does. Control characters
are written as escapes, whoever prints them; only rich, which draws, has its own stream (`drawing`).
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

from connector.redaction import Redactor
from connector.texts import visible


def make_unfailing() -> None:
    """Make printing never raise from now on. Called before anything is printed.

    Output that cannot be written is lost, and stderr says so once. Characters that the encoding does not have are
    written as escapes.
    """
    for number in range(3):
        _occupy(number)
    for name in ("stdout", "stderr"):
        if (file := _file_of(getattr(sys, name))) is not None:
            setattr(sys, name, _text(file, getattr(sys, name)))


def drawing(stream: Any) -> Any:
    """Return a stream that writes unchanged, for our own drawings with terminal escapes."""
    return _Drawing(stream) if isinstance(stream, _VisibleText) else stream


def _occupy(number: int) -> None:
    """Occupy a closed stream's number, so that no warehouse is opened with the number of stdout, to which other code
    may write."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # os.open takes the lowest free number


def _file_of(stream: Any) -> _UnfailingFile | None:
    """Return the stream's file; None if it is no file, such as a console of Windows, or a replaced stream."""
    if stream is None:  # it was closed when Python started
        return _UnfailingFile(os.devnull, "w")
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED leaves out the buffer
    return _UnfailingFile(stream.fileno(), "w", closefd=False) if isinstance(raw, io.FileIO) else None


def _text(file: _UnfailingFile, stream: Any) -> io.TextIOWrapper:
    at_once = stream is None or stream.line_buffering or stream.write_through
    kind = _Messages if file.name == 2 else _VisibleText
    return kind(
        io.BufferedWriter(file),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=at_once,
    )


class _VisibleText(io.TextIOWrapper):
    """Writes lines in which every character is visible."""

    def write(self, text: str, /) -> int:
        return super().write("\n".join(map(self._shown, text.split("\n"))))

    def _shown(self, line: str) -> str:
        return visible(line)

    def draw(self, text: str) -> int:
        return super().write(text)


class _Messages(_VisibleText):
    """Also hides the user and password of any URL, such as one in a place where no URL belongs."""

    _redactor = Redactor(())

    def _shown(self, line: str) -> str:
        return visible(self._redactor(line))


class _Drawing:
    """Behaves as the stream, but writes unchanged."""

    def __init__(self, stream: _VisibleText) -> None:
        self._stream = stream
        self.write = stream.draw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _UnfailingFile(io.FileIO):
    """A file to which a write never fails."""

    _failed = False

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # a full pipe that does not block
                select.select([], [self], [])
        except OSError as error:
            self._tell(error)
            return memoryview(data).nbytes
        return written

    def _tell(self, error: OSError) -> None:
        """Warn once of lost output, except for a reader that has gone, as in `tcss tables | head`."""
        failed, self._failed = self._failed, True
        if not failed and self.name == 1 and not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"warning: what is written to stdout is lost: {error.strerror}\n")
