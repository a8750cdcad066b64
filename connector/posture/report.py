"""`tcss report`: the document as a file."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from connector.errors import ConfigurationError
from connector.posture import document
from connector.posture.queries import Queries


def write(destination: str | None, dataset: str | None, output: Path) -> None:
    """Writes the report whole, or leaves what was there.

    Raises ConfigurationError where the warehouse's file does not exist, or `output` cannot be written, and
    DestinationError where the warehouse cannot be read.
    """
    text = document.report(Queries.open(destination, dataset))
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=output.parent, prefix=".tcss_", delete=False) as file:
            file.write(text)
        _publish(Path(file.name), output)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output}: {error.strerror}", hint="Name a file in a directory that exists, with --output."
        ) from None


def _publish(made: Path, output: Path) -> None:
    try:
        made.chmod(0o666 & ~_umask())  # a temporary file is its owner's alone
        made.replace(output)
    except OSError:
        made.unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
