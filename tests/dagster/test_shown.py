"""What the API sends is no Markdown on Dagster's pages, and forges no line in its log."""

from __future__ import annotations

import re

import dagster as dg
import pytest

from connector.dagster.errors import retried
from connector.dagster.shown import facts, plain
from connector.errors import AccessError

EVIL = "![x](http://a/p.png) [click](https://a) [a]: //b [c][d] <img src=x> www.a.b \x1b[2J\n\u202e"
ACTIVE = re.compile(r"\]\(|\]\[|\]:|!\[|<[a-z]|https?://|www\.", re.IGNORECASE)


def test_nothing_is_a_link_a_picture_or_a_tag() -> None:
    """And nothing is a line of its own; what is harmless stays as it is."""
    assert not ACTIVE.search(plain(EVIL))
    assert plain(EVIL).isprintable()
    for text in ("partial: the list shows 1500 rows [sic] (of 1,550)", "a < b > c!", "postgresql://h/db: refused"):
        assert plain(text) == text


def test_metadata_and_descriptions_are_plain() -> None:
    """Of an error that fails a run at once."""
    error = AccessError(EVIL, code=EVIL, request_id=EVIL)
    with pytest.raises(dg.Failure) as caught, retried(0, dg.RetryPolicy()):
        raise error
    shown = [caught.value.description, *(str(value.value) for value in caught.value.metadata.values())]
    assert len(shown) == 4
    for text in shown:
        assert text is not None
        assert not ACTIVE.search(text)
        assert text.isprintable()
    assert facts({"a": None, "b": 1, "c": EVIL}) == {"b": 1, "c": plain(EVIL)}
