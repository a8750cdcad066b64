"""`connector.detail.numbering`: rows have one number exactly if they agree in what identifies a finding."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.detail.numbering import Numbering
from connector.wire import Verbatim, encode
from tests.properties import examples

VALUES = st.sampled_from(
    (None, "", "a", "\ud800", 0, 1, 1.0, True, 2**70, [], ["a"], [1], [True], {"a": [1]}, Verbatim("1e999"))
)
ROWS = st.dictionaries(st.sampled_from(("Name", "Version", "Level", "Time")), VALUES) | VALUES
FIELDS = ("Name", "Version")


@given(st.lists(ROWS, max_size=12))
@examples(200)
def test_rows_of_one_finding_have_one_number_and_others_have_others(rows: list[Any]) -> None:
    """Whatever the fields have, and in whatever order an object has its fields. JSON tells 1, 1.0 and true apart, and
    Python does not. A row that is no object is a row of its own."""
    numbering = Numbering(FIELDS)
    turned = [dict(reversed(row.items())) if isinstance(row, dict) else row for row in rows]
    numbers = [numbering.of(row) for row in [*rows, *turned]]
    same = [{name: row.get(name) for name in FIELDS} if isinstance(row, dict) else row for row in rows]
    texts = [*map(encode, same)] * 2
    assert [[one == other for other in numbers] for one in numbers] == [[a == b for b in texts] for a in texts]
