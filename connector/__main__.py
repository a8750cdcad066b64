"""Runs `tcss`, also as `python -m connector`."""

import os
import sys


def main() -> None:
    """Import the command, and run it. Ctrl-C ends the process without a traceback from the first import on."""
    try:
        from connector.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was loaded that is not whole\n")
        sys.stderr.flush()
        os._exit(130)
    run()


if __name__ == "__main__":
    main()
