"""stdout and stderr that never fail, and through which no text reaches a terminal as a command.

Closed, broken, full or without Unicode, they change nothing of what is done. What a terminal would obey is written as
an escape, whoever prints it; only rich, which draws, has a stream of its own (`drawing`).
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

from connector.texts import visible


def make_unfailing() -> None:
    """From now on, nothing that is printed raises. To be called before anything is printed.

    What cannot be written is lost, and stderr says so once. What an encoding does not have is written as an escape.
    """
    for number in range(3):
        _occupy(number)
    for name in ("stdout", "stderr"):
        if (file := _file_of(getattr(sys, name))) is not None:
            setattr(sys, name, _text(file, getattr(sys, name)))


def drawing(stream: Any) -> Any:
    """What writes to the stream as it is: for pictures of ours, with the escapes of a terminal."""
    return _Drawing(stream) if isinstance(stream, _VisibleText) else stream


def _occupy(number: int) -> None:
    """No warehouse is opened as a file with the number of stdout, to which other code may write."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number


def _file_of(stream: Any) -> _UnfailingFile | None:
    """None for what is no file: a console of Windows, or what somebody has put in the stream's place."""
    if stream is None:  # it was closed when Python started
        return _UnfailingFile(os.devnull, "w")
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED leaves out the buffer
    return _UnfailingFile(stream.fileno(), "w", closefd=False) if isinstance(raw, io.FileIO) else None


def _text(file: _UnfailingFile, stream: Any) -> io.TextIOWrapper:
    at_once = stream is None or stream.line_buffering or stream.write_through
    return _VisibleText(
        io.BufferedWriter(file),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=at_once,
    )


class _VisibleText(io.TextIOWrapper):
    """Lines in which everything is visible."""

    def write(self, text: str, /) -> int:
        return super().write("\n".join(map(visible, text.split("\n"))))

    def draw(self, text: str) -> int:
        return super().write(text)


class _Drawing:
    """The stream, but that what is written is written as it is."""

    def __init__(self, stream: _VisibleText) -> None:
        self._stream = stream
        self.write = stream.draw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _UnfailingFile(io.FileIO):
    """A file that takes everything."""

    _failed = False

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # a pipe that is full and does not wait by itself
                select.select([], [self], [])
        except OSError as error:
            self._tell(error)
            return memoryview(data).nbytes
        return written

    def _tell(self, error: OSError) -> None:
        """A reader that has gone, as in `tcss tables | head`, is nothing to speak of."""
        failed, self._failed = self._failed, True
        if not failed and self.name == 1 and not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"warning: what is written to stdout is lost: {error.strerror}\n")
