"""The manual's queries for the fleet at a moment answer what `image_versions` answers, and so does plain arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.warehouse.selects import instant
from tests.properties import examples
from tests.warehouse.test_counting import STEPS, Step, World, seen
from tests.warehouse.viewed import with_views
from tests.warehouses import KINDS, Place

pytestmark = pytest.mark.thorough("sqlite", "mysql")

MOMENT = "date_trunc('month', current_timestamp)"
MANUAL = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
QUERIES = [text.partition("\n```")[0].rstrip(";") for text in MANUAL.split("```sql\n")[1:]]
BY_VIEW, *BY_TABLES = [query for query in QUERIES if MOMENT in query]
Answer = tuple[int, int]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Any]]:
    """A warehouse of each kind with its views, and no rows."""
    with with_views(request.param, tmp_path_factory.mktemp("moments")) as both:
        yield both


def test_the_manual_has_one_query_of_the_view_and_two_of_the_tables() -> None:
    """Those that the tests below run."""
    assert "tcss.image_versions" in BY_VIEW
    assert len(BY_TABLES) == 2
    assert all("tcss.image_history" in query for query in BY_TABLES)


@examples(3)
@given(steps=st.lists(STEPS, min_size=2, max_size=8), data=st.data())
def test_the_fleet_at_a_moment(made: tuple[Place, dlt.Pipeline], steps: list[Step], data: st.DataObject) -> None:
    """Of two accounts, with runs that were killed. Where a clock went back, the view has no version at some moments, or
    two of an image; the queries of the tables have the latest."""
    world = World(*made)
    for step in (Step("1", 0, {"a": seen(critical_level_vul_cnt=1)}, "images"), *steps):
        world.run(step)
    times = [version["observed_at"] for versions in world.valid.values() for version in versions]
    moment = data.draw(st.sampled_from(times)) + data.draw(st.sampled_from([-1, 0, 1]))
    expected = at(world, moment)
    assert [ask(world.place, query, moment) for query in BY_TABLES] == [expected, expected]
    if all(_in_order(versions) for versions in world.valid.values()):
        assert ask(world.place, BY_VIEW, moment) == expected


def at(world: World, moment: int) -> Answer:
    """Return the number of images, and their critical vulnerabilities."""
    known = [[v for v in versions if v["observed_at"] <= moment] for versions in world.valid.values()]
    there = [versions[-1] for versions in known if versions and versions[-1]["deleted_at"] is None]
    return len(there), sum(version["critical_level_vul_cnt"] or 0 for version in there)


def ask(made: Place, query: str, moment: int) -> Answer:
    written = query.replace(MOMENT, instant(made.location.kind, moment)).replace("tcss.", "{data}.")
    ((images, critical),) = made.sql(written)
    return int(images), int(critical or 0)


def _in_order(versions: list[dict[str, Any]]) -> bool:
    times = [version["observed_at"] for version in versions]
    return times == sorted(times)
