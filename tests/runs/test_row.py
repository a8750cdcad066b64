"""The row of a run as a value."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, fields
from typing import Any, get_type_hints

import pytest

from connector.runs.policy import RunReason
from connector.runs.row import IN_WORDS, Sent, SyncRun
from connector.tables import SYNC_RUNS, ColumnType

TYPES: dict[ColumnType, type] = {"text": str, "bigint": int, "double": float, "bool": bool, "timestamp": int}


def run(**columns: Any) -> SyncRun:
    row = {column.name: None if column.nullable else "x" for column in SYNC_RUNS.columns}
    row |= {"mode": "full", "verdict": "complete", "started_at": 1_750_000_000_000_000, "verdict_reason": "by order"}
    return SyncRun(**{**row, **columns})


def test_a_field_for_each_column() -> None:
    """The dataclass is the table: names, order, types, and which values may be missing. Others come last."""
    hints = get_type_hints(SyncRun, vars(__import__("connector.runs.row", fromlist=["row"])))
    more = ("details", "rows_written", "images_held")
    assert tuple(field.name for field in fields(SyncRun))[-len(more) :] == more
    found = [(field.name, hints[field.name]) for field in fields(SyncRun) if field.name not in more]
    assert found == [(c.name, TYPES[c.type] | None if c.nullable else TYPES[c.type]) for c in SYNC_RUNS.columns]


def test_what_the_client_sent_are_columns() -> None:
    """And so they are written as they are."""
    assert {field.name for field in fields(Sent)} <= set(SYNC_RUNS.column_names)


def test_a_run_cannot_be_changed_and_can_be_pickled() -> None:
    """It crosses processes of orchestrators."""
    made = run(images_new=3)
    with pytest.raises(FrozenInstanceError):
        made.images_new = 4  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_run_is_a_mapping_for_a_release_more() -> None:
    """By column name, in the order of the table."""
    made = run(images_new=3)
    assert (made["images_new"], made["mode"], made.get("values")) == (3, "full", None)
    assert list(made) == list(SYNC_RUNS.column_names)
    assert dict(made) == made
    with pytest.raises(KeyError):
        made["complete"]


@pytest.mark.parametrize(
    ("reason", "counts", "told"),
    [
        ("no watermark yet", (5, 5), "first sync: everything is read"),
        ("no watermark yet", (0, 5), "no earlier sync to go on from: everything is read"),
        ("no watermark yet", (0, 0), "no earlier sync to go on from: everything is read"),
        ("since the watermark", (1, 5), "what was scanned since the last sync, and what was never scanned"),
        (
            "the last complete full sweep is too old; earlier runs do not count (1)",
            (5, 5),
            "the last full sync is older than full_every: everything is read; earlier runs do not count (1)",
        ),
        ("asked for", (5, 5), "asked for"),
        (None, (5, 5), "not known"),
    ],
)
def test_people_are_told_the_reason_in_words_of_their_own(reason: str, counts: tuple[int, int], told: str) -> None:
    """A sync that knew no image is the first one; the row and its JSON keep the sentence of the manual."""
    made = run(mode_reason=reason, images_new=counts[0], images_listed=counts[1])
    assert f"full sweep ({told})" in made.summary()
    assert json.loads(made.to_json())["mode_reason"] == reason


def test_every_reason_that_is_told_otherwise_is_one_of_a_run() -> None:
    """A sentence that changes in one place only fails here."""
    assert set(IN_WORDS) <= {reason.value for reason in RunReason}


@pytest.mark.parametrize(
    ("columns", "strict", "code"),
    [
        ({}, False, 0),
        ({"verdict": "partial"}, False, 5),
        ({"values_rejected": 1}, False, 0),
        ({"values_rejected": 1}, True, 5),
        ({}, True, 0),
    ],
    ids=["complete", "partial", "rejected values", "rejected values, strict", "complete, strict"],
)
def test_the_exit_code_of_a_run(columns: dict[str, Any], strict: bool, code: int) -> None:
    """5 for what is not whole."""
    assert run(**columns).exit_code(strict=strict) == code


def test_a_row_as_json() -> None:
    """Instants in RFC 3339, and every column."""
    row = json.loads(run(watermark_after=1_748_622_189_854_000).to_json())
    assert list(row) == list(SYNC_RUNS.column_names)
    assert (row["started_at"], row["watermark_after"]) == ("2025-06-15T15:06:40Z", "2025-05-30T16:23:09.854000Z")
