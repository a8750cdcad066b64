"""What `tcss` says of itself: help, exit codes, and what a shell completes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from connector.cli import codes
from connector.cli.main import app

GROUP: Any = typer.main.get_command(app)
PROGRAM = Path(sys.executable).with_name("tcss")
CODES = {
    "sync": [0, 1, 2, 3, 4, 5, 6, 7, 130, 143],
    "check": [0, 1, 2, 3, 4, 6, 130, 143],
    "find": [0, 1, 2, 3, 4, 5, 130, 143],
    "status": [0, 1, 2, 5, 6, 130, 143],
    "prune": [0, 1, 2, 6, 7, 130, 143],
    "tables": [0, 1, 2, 6, 130, 143],
    "views": [0, 1, 2, 6, 7, 130, 143],
    "dashboard": [0, 1, 2, 6],
    "report": [0, 1, 2, 6, 130, 143],
    "demo": [0, 1, 2, 6, 130, 143],
    "sandbox": [0, 1, 2],
}


@pytest.mark.parametrize("words", [[], *([name] for name in GROUP.commands)], ids=["tcss", *GROUP.commands])
def test_h_is_help(words: list[str]) -> None:
    """Of the command and of each of its commands."""
    short, long = (CliRunner().invoke(app, [*words, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.stdout) == (0, long.stdout)
    assert short.stdout.startswith(f"Usage: {' '.join(['tcss', *words])} ")


def test_a_command_lists_the_exit_codes_that_it_has() -> None:
    """Only `sync` can be partial, only what writes meets a lock, and only what asks the API is refused by it."""
    said = {name: command.epilog for name, command in GROUP.commands.items()}
    found = {name: [int(code) for code in re.findall(r"(?:: |; |and )(\d+)(?= )", text)] for name, text in said.items()}
    assert found == CODES
    assert codes.SYNC == (
        "Exit codes: 0 complete; 1 unexpected; 2 bad usage or configuration; 3 refused (keys, permission, clock); "
        "4 API unavailable or throttled; 5 partial, or rejected values under --strict; 6 destination failed; "
        "7 another sync holds the lock; 130 and 143 on Ctrl-C and SIGTERM."
    )


# ---- completion ----


def completed(**variables: str) -> str:
    """What the program answers to a shell."""
    done = subprocess.run(
        [PROGRAM], env={**os.environ, **variables}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tcss s", ["sync", "status", "sandbox"]),
        ("tcss sync --des", ["--destination"]),
        ("tcss tables --format ", ["markdown", "dbt"]),
    ],
)
def test_bash_completes_what_is_typed(line: str, expected: list[str], tmp_path: Path) -> None:
    """By the function that `--show-completion` prints, in a bash of its own: commands, options and their values."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = completed(_TCSS_COMPLETE="source_bash")
    words = line.split(" ")
    ask = f"COMP_WORDS=({' '.join(words)} {'' if words[-1] else chr(34) * 2}); COMP_CWORD={len(words) - 1}"
    (tmp_path / "ask").write_text(
        f'{script}\n{ask}\n_tcss_completion tcss\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n', encoding="utf-8"
    )
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [bash, "--norc", tmp_path / "ask"], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == expected


def test_zsh_and_fish_are_answered_in_their_own_form() -> None:
    """fish divides a command from its description by a tab, which is not written as an escape then."""
    zsh = completed(_TCSS_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="tcss sync --mo")
    assert zsh.startswith("""_arguments '*: :(("--mode":""")
    fish = completed(
        _TCSS_COMPLETE="complete_fish", _TYPER_COMPLETE_FISH_ACTION="get-args", _TYPER_COMPLETE_ARGS="tcss sta"
    )
    assert fish.startswith("status\tShow the last runs")


def test_the_help_offers_completion() -> None:
    """For the shell that is running."""
    assert re.findall(r"--\w+-completion", CliRunner().invoke(app, ["-h"]).stdout) == [
        "--install-completion",
        "--show-completion",
    ]
