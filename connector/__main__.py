"""Runs `tcss` as `python -m connector`, without the working directory, where Python would look for modules first."""

import sys
from pathlib import Path

if not sys.flags.safe_path and Path(sys.path[0]) == Path.cwd() != Path(__file__).parents[1]:
    del sys.path[0]

from connector.cli.main import main

main()
