"""Lists the exit codes, and writes the sentence about them in the help of each command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_MEANINGS = {
    0: "complete",
    1: "unexpected",
    2: "bad usage or configuration",
    3: "refused (keys, permission, clock)",
    4: "API unavailable or throttled",
    5: "partial, or rejected values under --strict",
    6: "destination failed",
    7: "another sync holds the lock",
}
_SIGNALS = "130 and 143 on Ctrl-C and SIGTERM"


def told(codes: Iterable[int], own: Mapping[int, str] | None = None, *, signals: bool = True) -> str:
    """Write the sentence about `codes`. `own` are meanings that a command gives to some of them. Without `signals`,
    Ctrl-C is the normal end of the command."""
    meanings = _MEANINGS | dict(own or {})
    listed = [f"{code} {meanings[code]}" for code in codes]
    return f"Exit codes: {'; '.join([*listed, *([_SIGNALS] if signals else [])])}."


SYNC = told(_MEANINGS)
CHECK = told((0, 1, 2, 3, 4, 6), {0: "nothing failed"})
FIND = told(
    (0, 1, 2, 3, 4, 5),
    {0: "found", 1: "not found", 4: "API unavailable, or anything unexpected", 5: "not proven whole, found or not"},
)
STATUS = told(
    (0, 1, 2, 5, 6),
    {
        0: "shown, and young enough",
        1: "without --max-age no complete sync of any account, or unexpected",
        5: "an account's data is older than --max-age",
    },
)
PRUNE = told((0, 1, 2, 6, 7), {0: "done", 7: "a sync holds an account's lock, and that account was left"})
TABLES = DEMO = REPORT = told((0, 1, 2, 6), {0: "done"})
VIEWS = told((0, 1, 2, 6, 7), {0: "done"})
DASHBOARD = told((0, 1, 2, 6), {0: "stopped"}, signals=False)
SANDBOX = told((0, 1, 2), {0: "changed, or stopped"}, signals=False)
