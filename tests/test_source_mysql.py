"""`connector.source.mysql`: a pipeline of the user's own into MySQL loads whole values, or is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dlt
import pytest

import connector
from connector.sandbox import Fleet, Sandbox, wall_clock
from tests.syncing import sync
from tests.warehouses import Place, place
from tests.world import World, world

# dlt's merge through SQLAlchemy, and nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:implicitly coercing SELECT object to scalar subquery")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    with place("mysql", tmp_path) as made:
        yield made


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, 20) as made:
        yield made


def pipeline(account: World, there: Place, **query: str) -> dlt.Pipeline:
    url = there.engine.url.update_query_dict(query).render_as_string(hide_password=False)
    return dlt.pipeline(
        "mine",
        pipelines_dir=str(account.directory / "pipelines"),
        destination=dlt.destinations.sqlalchemy(url),
        dataset_name=there.dataset,
    )


def test_all_details_are_loaded(account: World, there: Place) -> None:
    """dlt's schema, which it stores as one text of at most 64 KB, has room for all tables."""
    source = connector.tcss(endpoint=account.sandbox.url, detail=["vulnerabilities", "malware", "running"])
    pipeline(account, there).run(source)
    assert there.sql("SELECT verdict, count(*) FROM {data}.detail_runs GROUP BY 1") == [("complete", 3)]
    assert there.sql("SELECT count(*) FROM {data}.image_vulnerabilities")[0][0] > 0


@pytest.mark.thorough
def test_a_sync_with_details_follows_a_pipeline(account: World, there: Place) -> None:
    """dlt's own table, which the pipeline has made, has room for the schema, and our tables for every text."""
    pipeline(account, there).run(connector.tcss(endpoint=account.sandbox.url))
    items = [dict(item) for item in account.fleet.truth().values()]
    items[0]["Solution"] = "x" * 70_000
    with Sandbox(Fleet(items, clock=wall_clock), rate=None) as longer:
        row = sync(there, longer.url, mode="full", detail=["vulnerabilities", "malware", "running"])
    assert (row["verdict"], row["images_new"], row["images_changed"]) == ("complete", 0, 1)
    assert there.sql("SELECT max(length(solution)) FROM {data}.images") == [(70_000,)]
    assert there.sql("SELECT max(length(solution)) FROM {data}.image_history") == [(70_000,)]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("sql_mode = 'NO_ENGINE_SUBSTITUTION'", "its sql_mode is 'NO_ENGINE_SUBSTITUTION'"),
        ("sql_select_limit = 7", "its sql_select_limit is 7"),
    ],
    ids=["texts", "results"],
)
def test_a_server_that_cuts_silently_is_refused(setting: str, said: str, account: World, there: Place) -> None:
    """Nothing is read. Texts could lose characters, and images that the run does not see could lose their history."""
    cutting = pipeline(account, there, init_command=f"SET {setting}")
    with pytest.raises(Exception, match=said):
        cutting.run(connector.tcss(endpoint=account.sandbox.url))
    assert account.sandbox.requests == 0
    assert there.datasets() == set()
