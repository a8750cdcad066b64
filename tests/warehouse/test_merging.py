"""The MERGE of `connector.warehouse.clouds`, on PostgreSQL, which has MERGE too: no cloud has a server here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.job_client_impl import SqlLoadJob
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from connector.tables import IMAGES
from connector.warehouse import clouds, pipeline, postgresql
from tests.syncing import before_the_merge
from tests.warehouses import Place, place


class Merging(postgresql.PostgreSql):
    """Loads PostgreSQL as BigQuery and Databricks are loaded."""

    @property
    def client_class(self) -> Any:
        return clouds._merging_once(PostgresClient, SqlMergeFollowupJob)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(postgresql, "PostgreSql", Merging)
    monkeypatch.setattr(pipeline, "MERGING", {"postgres": Merging})
    with place("postgresql", tmp_path) as made:
        yield made


def image(image_id: str, size: int) -> dict[str, Any]:
    return {"account_id": "1", "image_id": image_id, "size": size, "version": 1}


def stage_twice(cloud: Place) -> None:
    cloud.sql("INSERT INTO {staging}.images SELECT * FROM {staging}.images")


def test_one_merge_inserts_and_replaces_each_key_once(cloud: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a file was staged twice. There is one statement, so that a merge cannot be half done."""
    ran: list[list[str]] = []
    split = SqlLoadJob._split_fragments

    def noted(self: SqlLoadJob, sql: str) -> list[str]:
        ran.append([statement.split()[0] for statement in split(self, sql)])
        return split(self, sql)

    monkeypatch.setattr(SqlLoadJob, "_split_fragments", noted)
    prepared = cloud.prepared()
    cloud.load(prepared, IMAGES, image("a", 1), image("b", 2))
    with before_the_merge("images", lambda: stage_twice(cloud)):
        cloud.load(prepared, IMAGES, image("b", 3), image("c", 4))
    assert [(row["image_id"], row["size"]) for row in cloud.table(IMAGES)] == [("a", 1), ("b", 3), ("c", 4)]
    assert ran == [["MERGE"], ["MERGE"]]


@pytest.mark.thorough
def test_a_plain_upsert_of_dlt_does_not_take_a_file_that_was_staged_twice(
    cloud: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why `MergeOnce` exists: without it, rows that are new are inserted twice."""
    monkeypatch.delattr(clouds.MergeOnce, "gen_upsert_merge_sql")
    prepared = cloud.prepared()
    with before_the_merge("images", lambda: stage_twice(cloud)):
        cloud.load(prepared, IMAGES, image("a", 1))
    assert [row["image_id"] for row in cloud.table(IMAGES)] == ["a", "a"]
