"""Details from keys to tables, on real databases: whole sets, differences only, and what goes wrong on the way."""

from __future__ import annotations

from typing import Any

import pytest

from connector.runs.row import SyncRun
from connector.sandbox import Fleet, Quirks, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from connector.sync import sync
from tests.detail.truth import of_fleet, of_warehouse
from tests.warehouses import Place
from tests.world import open_elsewhere

ASPECTS = ["vulnerabilities", "running", "malware"]


def run(place: Place, sandbox: Sandbox, *details: str, **given: Any) -> SyncRun:
    return sync(
        destination=place.url,
        dataset=place.dataset,
        endpoint=sandbox.url,
        credentials={"secret_id": DEFAULT_ID, "secret_key": DEFAULT_KEY},
        requests_per_second=1e6,
        max_delete_share=1.0,
        confirm_gone_after=0,
        mode="full",
        detail=list(details) or ASPECTS,
        **given,
    )


def written(place: Place, table: str, made: SyncRun) -> int:
    return int(place.sql(f"select count(*) from {{data}}.{table} where sync_id = '{made.sync_id}'")[0][0])


def verdicts(made: SyncRun) -> list[tuple[str, str]]:
    return [(detail.aspect, detail.verdict) for detail in made.details]


@pytest.mark.thorough
def test_a_load_and_what_changes_after_it(place: Place) -> None:
    """The tables show what the API shows. A quiet scan writes markers alone, an update only what differs: findings that
    come and findings that go, each alone on DuckDB, and both at once on the others."""
    add, withdraw = "add_vulnerabilities", "withdraw_vulnerabilities"
    fleet = Fleet.seeded(15, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        first = run(place, sandbox)
        assert verdicts(first) == [(aspect, "complete") for aspect in ASPECTS]
        assert of_warehouse(place) == of_fleet(fleet)
        containers, hosts = (written(place, table, first) for table in ("containers", "hosts"))
        assert containers
        assert hosts
        sandbox.change({"scan_again": 15})
        quiet = run(place, sandbox)
        scanned = len(of_fleet(fleet))
        assert [detail.images_read for detail in quiet.details] == [scanned, None, scanned]
        assert [written(place, table, quiet) for table in ("image_vulnerabilities", "image_malware")] == [0, 0]
        assert written(place, "image_reads", quiet) == 2 * scanned
        for changes in ([add], [withdraw]) if place.kind == "duckdb" else ([withdraw, add],):
            before = of_warehouse(place)
            sandbox.change(dict.fromkeys(changes, 3))
            update = run(place, sandbox, "vulnerabilities")
            after = of_fleet(fleet)
            assert of_warehouse(place) == after
            opened = sum(len(after[image_id].keys() - before[image_id].keys()) for image_id in after)
            closed = sum(len(before[image_id].keys() - after[image_id].keys()) for image_id in after)
            (details,) = update.details
            assert (details.opened, details.closed) == (opened, closed)
            assert (opened > 0, closed > 0) == (add in changes, withdraw in changes)
            assert 0 < written(place, "image_vulnerabilities", update) <= opened + closed + len(after)


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_file_can_be_read_by_others_while_the_api_is_asked(place: Place) -> None:
    """While the images are listed, and while their sets are read: a sync has a file open when it reads or writes it."""
    looked: list[str] = []

    class Looking:
        """At each first step of a phase, another process opens the file."""

        phase = "images"

        def begin(self, phase: str) -> None:
            self.phase = phase

        def __call__(self, *_: object) -> None:
            if self.phase not in looked:
                with open_elsewhere(place.file):
                    looked.append(self.phase)

    with Sandbox(Fleet.seeded(30, clock=wall_clock), rate=None) as sandbox:
        run(place, sandbox)
        sandbox.change({"scan_again": 30})
        made = run(place, sandbox, "vulnerabilities", "malware", progress=Looking())
    assert looked == ["images", "vulnerabilities", "malware"]
    assert verdicts(made) == [("vulnerabilities", "complete"), ("malware", "complete")]


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(vul_cnt="cves"),
        Quirks(vul_cnt="cve_component"),
        Quirks(detail_most_rows=40),
        Quirks(detail_extra_fields={"New": 1}, extra_tags=("NEWTAG",)),
    ],
    ids=["cves", "pairs", "small pages", "unknown"],
)
def test_whatever_the_server_is_like(place: Place, quirks: Quirks) -> None:
    """Other meanings of VulCnt, pages that are too large, unknown fields and labels."""
    fleet = Fleet.seeded(40, clock=wall_clock)
    with Sandbox(fleet, rate=None, quirks=quirks) as sandbox:
        made = run(place, sandbox, "vulnerabilities")
        assert verdicts(made) == [("vulnerabilities", "complete")]
        assert of_warehouse(place) == of_fleet(fleet)
        assert made.details[0].unknown_tags == ('["NEWTAG"]' if quirks.extra_tags else None)
        extra = place.sql("select count(*) from {data}.image_vulnerabilities where extra is null")
        assert (extra == [(0,)]) == bool(quirks.detail_extra_fields)


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_rows_that_change_places_between_two_answers(place: Place) -> None:
    """Sets of several answers are proven by their levels. Where the rows of one level do not fit a page, equal rows may
    never be in one answer: such a set is not proven, and is not shown."""
    fleet = Fleet.seeded(60, clock=wall_clock)
    with Sandbox(fleet, rate=None, quirks=Quirks(detail_ties="permuted")) as sandbox:
        made = run(place, sandbox, "vulnerabilities")
    truth, shown = of_fleet(fleet), of_warehouse(place)
    assert shown == {image_id: truth[image_id] for image_id in shown}
    unproven = truth.keys() - shown.keys()
    assert made.details[0].images_unproven == len(unproven)
    assert all(truth[image_id].total() > 200 for image_id in unproven)
    assert sum(rows.total() > 100 for rows in shown.values()) > 3


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_without_a_licence_nothing_is_called_clean(place: Place) -> None:
    """Empty lists contradict the counts of the images: nothing is proven, and the exit code says so."""
    fleet = Fleet.seeded(40, clock=wall_clock)
    with Sandbox(fleet, rate=None, quirks=Quirks(licensed=False)) as sandbox:
        made = run(place, sandbox, "vulnerabilities")
    counted = sum(1 for item in fleet.truth().values() if item["ScanStatus"] == "SCANNED" and item["VulCnt"])
    assert (made.complete, verdicts(made)) == (True, [("vulnerabilities", "partial")])
    assert made.details[0].images_unproven == counted
    assert made.exit_code(strict=False) == 5
    assert not any(of_warehouse(place).values())


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_budget_that_is_over_leaves_the_rest_to_the_next_run(place: Place) -> None:
    """`behind` is no failure, except under --strict; the next run goes on where this run has stopped."""
    fleet = Fleet.seeded(40, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        made = run(place, sandbox, "vulnerabilities", detail_patience=0)
        assert verdicts(made) == [("vulnerabilities", "behind")]
        assert (made.exit_code(strict=False), made.exit_code(strict=True)) == (0, 5)
        assert made.details[0].images_behind == len(of_fleet(fleet))
        assert verdicts(run(place, sandbox, "vulnerabilities")) == [("vulnerabilities", "complete")]
        assert of_warehouse(place) == of_fleet(fleet)


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_containers_and_hosts_that_go(place: Place) -> None:
    """They get a gone_at by a list that was read whole. The arguments of a command are not stored."""
    fleet = Fleet.seeded(20, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        run(place, sandbox, "running")
        before = {row[0] for row in place.sql("select container_id from {data}.containers where gone_at is null")}
        sandbox.change({"move_containers": 5})
        run(place, sandbox, "running")
    now = {row[0] for row in place.sql("select container_id from {data}.containers where gone_at is null")}
    gone = {row[0] for row in place.sql("select container_id from {data}.containers where gone_at is not null")}
    assert gone == before - now
    assert gone
    assert now - before
    assert place.sql("select count(*) from {data}.containers where status <> 'RUNNING' and gone_at is null") == [(0,)]
    assert place.sql("select count(*) from {data}.containers where cmd like '% %'") == [(0,)]


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_refused_action_ends_its_aspect_alone(place: Place) -> None:
    """The images are committed, the other aspect is complete, and the exit code is 3."""
    refused = {"DescribeAssetImageVulList": "UnauthorizedOperation"}
    with Sandbox(Fleet.seeded(20, clock=wall_clock), rate=None, quirks=Quirks(refused=refused)) as sandbox:
        made = run(place, sandbox, "vulnerabilities", "running")
    assert verdicts(made) == [("vulnerabilities", "refused"), ("running", "complete")]
    assert "DescribeAssetImageVulList" in (made.details[0].verdict_reason or "")
    assert (made.complete, made.exit_code(strict=False)) == (True, 3)
    found = place.sql("select aspect, verdict from {data}.detail_runs order by aspect")
    assert found == [("running", "complete"), ("vulnerabilities", "refused")]


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_an_image_that_goes_while_its_set_is_read(place: Place) -> None:
    """It is left to the next run, which does not list it any more; what was read of it is never shown."""
    fleet = Fleet.seeded(12, clock=wall_clock)
    victim = max(of_fleet(fleet).items(), key=lambda entry: entry[1].total())[0]

    def churn(fleet: Fleet, number: int) -> None:
        if number == 12 and victim in fleet.truth():
            fleet.delete([victim])

    with Sandbox(fleet, rate=None, detail_churn=churn) as sandbox:
        made = run(place, sandbox, "vulnerabilities", in_flight=1)
        assert victim not in fleet.truth()
    assert made.details[0].verdict in ("behind", "partial")
    assert victim not in of_warehouse(place)
    assert of_warehouse(place) == of_fleet(fleet)
