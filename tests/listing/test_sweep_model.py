"""Every interleaving of a sweep with changes, faults and quirks: complete means that no image was missed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from connector.errors import TcssError
from connector.listing.full import FullSweep
from connector.listing.incremental import IncrementalSweep
from connector.listing.page import Page
from connector.listing.proof import Outcome, Proof
from connector.sandbox import CHANGES, Fault, Fleet, Quirks, shard_of
from tests.listing.lists import ACTION, DAY, NOW, Item, Watched, in_turns, instant, items
from tests.properties import examples

MODEL = examples(75)

LIMIT = 5
SHARDS = 3
QUIRKS = Quirks(max_limit=LIMIT)
STEPS = (*CHANGES, "delete_read", "delete_unread", "delete_bring_back")
PAGE_FAULTS = (
    *("empty_page", "short_page", "stale_page", "missing_list", "null_list", "wrong_total", "duplicate_rows"),
    *("extra_rows", "throttle", "internal_error", "response_too_large"),
)


@dataclass(frozen=True)
class Script:
    """A fleet in groups of equal CreateTime, and what happens to it: `steps` after the first requests, or all along."""

    groups: tuple[int, ...]
    steps: tuple[tuple[str, int], ...] = ()
    endless: bool = False
    quirks: Quirks = QUIRKS
    faults: tuple[Fault, ...] = ()
    limit: int = LIMIT
    in_flight: int = 1
    expected: int = 0
    seed: int = 0
    scanned: tuple[int | None, ...] = ()
    since: int = 0
    now: int = NOW
    hashed: bool = False
    known: int = 0
    parts_first: bool = False
    lacking: tuple[int, ...] = ()
    poisoned: tuple[int, ...] = ()
    large: tuple[tuple[int, int], ...] = ()
    twice: tuple[int, ...] = ()

    def watched(self) -> Watched:
        created = [DAY * number for number, size in enumerate(self.groups, start=1) for _ in range(size)]
        rng = Random(self.seed)
        scans = [rng.choice(self.scanned) if self.scanned else None for _ in created]
        listed = items(created, scans)
        if self.hashed:
            ids_of = Random(f"ids {self.seed}")
            listed = [{**item, "ImageID": f"sha256:{ids_of.getrandbits(256):064x}"} for item in listed]
        rng.shuffle(listed)
        ids = [item["ImageID"] for item in listed]
        return Watched(Fleet(listed, seed=self.seed, now=NOW), self._quirks(ids), self.faults, self._change)

    def _quirks(self, ids: list[str]) -> Quirks:
        """The quirks, with those that name images."""

        def some(numbers: tuple[int, ...]) -> list[str]:
            return [ids[number % len(ids)] for number in numbers if ids]

        replicas = self.quirks.replicas
        if self.lacking:
            replicas = (*(frozenset([image_id]) for image_id in some(self.lacking)), frozenset())
        return replace(
            self.quirks,
            replicas=replicas,
            poison=frozenset(some(self.poisoned)),
            huge={i: most for (_, most), i in zip(self.large, some(tuple(n for n, _ in self.large)), strict=False)},
            listed_twice={image_id: {} for image_id in some(self.twice)},
        )

    def _change(self, watched: Watched, number: int) -> None:
        if self.steps and (self.endless or number <= len(self.steps)):
            name, count = self.steps[(number - 1) % len(self.steps)]
            _CHANGE.get(name, lambda watched, count: watched.fleet.apply({name: count}))(watched, count)


def _some_of(watched: Watched, count: int, *, read: bool) -> list[str]:
    shown = {image_id for answer in watched.answers for image_id in answer.ids}
    return [image_id for image_id in watched.fleet.ids() if (image_id in shown) is read][:count]


def _swap(watched: Watched, count: int) -> None:
    gone = watched.fleet.delete(count)
    watched.fleet.bring_back(gone)


_CHANGE: dict[str, Any] = {
    "delete_read": lambda watched, count: watched.fleet.delete(_some_of(watched, count, read=True)),
    "delete_unread": lambda watched, count: watched.fleet.delete(_some_of(watched, count, read=False)),
    "delete_bring_back": _swap,
}


def run(script: Script, sweep: Any, watched: Watched) -> list[Page] | None:
    """The pages, or None where the sweep raised an error."""
    try:
        with in_turns(script.seed), mock.patch("connector.listing.reader.MOST_READS", 500):
            return list(sweep.pages())
    except TcssError:
        return None


def promised(watched: Watched, script: Script) -> set[str]:
    """What a complete sweep promises: every image that was listed throughout.

    What no reader can see from outside is not promised. The assumptions, as docs/guarantees.md has them:

    1. No image is hidden in every answer in which it would stand, as where one replica lacks it for good.
    2. No twentieth or less of the list, and no single image, is hidden at the beginning or the end of a sweep alone.
    3. An image keeps its CreateTime while other images come and go. With another CreateTime it is at another place,
       which TotalCount gives away where nothing else moves it, no window caps it, and all replicas have the same rows.
    5. TotalCount is not too small, in every answer, by just the rows that the server does not give at once.
    """
    quirks = script.quirks
    too_small = quirks.total_delta < 0 or quirks.total_fixed is not None
    if too_small and quirks.page_cap is not None and script.faults:
        return set()  # without a fault, a look behind the end shows it
    listed = watched.throughout - _lacking(watched) - _hidden_at_an_end(watched, script)
    if quirks.window is None and not script.lacking and len({answer.total for answer in watched.answers}) == 1:
        return listed
    return listed - {i for i, states in watched.states.items() if len({state["CreateTime"] for state in states}) > 1}


def _lacking(watched: Watched) -> set[str]:
    return {image_id for lacking in watched.server.backend.quirks.replicas for image_id in lacking}


def _hidden_at_an_end(watched: Watched, script: Script) -> set[str]:
    """The images of a shard that is silent in the first answer or the last one, where they are few."""
    hidden: set[str] = set()
    for fault in script.faults:
        if fault.name == "silent_shard" and any(fault.hits(ACTION, n) for n in (1, watched.server.requests)):
            of_shard = {i for i in watched.states if shard_of(i, SHARDS) == fault.value}
            hidden |= of_shard if len(of_shard) <= max(1, len(watched.states) * 0.05) else set()
    return hidden


def _in_wide_tie(watched: Watched, script: Script) -> set[str]:
    """The images of groups that fill a page, in a list that shrank to a TotalCount which a window caps.

    Assumption 4: nobody sees rows leave such a group meanwhile.
    """
    window, sizes = script.quirks.window, {answer.size for answer in watched.answers}
    if window is None or not max(sizes) > window >= min(sizes):
        return set()
    times = {i: state["CreateTime"] for i, states in watched.states.items() for state in states}
    wide = {time for time, images in Counter(times.values()).items() if images >= script.limit - 1}
    return {i for i, time in times.items() if time in wide}


def check_full(script: Script) -> Outcome:
    watched = script.watched()
    known = watched.fleet.ids()[: script.known]
    remote = watched.remote(script.in_flight, script.limit)
    sweep = FullSweep(remote, expected=script.expected, known=lambda: known, parts_first=script.parts_first)
    pages = run(script, sweep, watched)
    outcome = sweep.outcome
    shown: dict[str, Item] = {item["ImageID"]: item for page in pages or () for item in page.items}
    assert shown.keys() <= watched.states.keys()
    for image_id, item in shown.items():
        assert item in watched.states[image_id]
    if pages is None:
        return Outcome()
    assert outcome.reason
    missed = promised(watched, script) - shown.keys()
    if outcome.proof is Proof.TIES:
        missed -= _in_wide_tie(watched, script)
    assert not (outcome.complete and missed), (outcome, missed)
    return outcome


def _grouped(images: int, widest: int, seed: int) -> tuple[int, ...]:
    rng, left, made = Random(seed), images, []
    while left > 0:
        made.append(min(left, rng.randint(1, widest)))
        left -= made[-1]
    return tuple(made)


groups = st.builds(
    _grouped,
    images=st.one_of(st.integers(0, 12), st.integers(6, 60), st.integers(20, 60)),
    widest=st.sampled_from((1, 1, 1, 1, 2, 2, 3, 4, 6, 150)),
    seed=st.integers(0, 2**16),
)
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 3)), max_size=8).map(tuple)
numbers = st.one_of(st.integers(1, 6), st.integers(1, 40))
faults = st.lists(
    st.builds(Fault, st.sampled_from(PAGE_FAULTS), at=numbers, value=st.one_of(st.none(), st.integers(1, 4))),
    max_size=3,
).map(tuple)
quirks = st.builds(
    Quirks,
    max_limit=st.just(LIMIT),
    page_cap=st.sampled_from((None, None, None, None, 2, 3, 4)),
    total_delta=st.sampled_from((0, 0, 0, 0, -3, 3)),
    total_fixed=st.sampled_from((None,) * 8 + (0, 5, 50)),
    empty_list=st.sampled_from(("[]", "null")),
    sortable=st.sampled_from((Quirks().sortable,) * 3 + (frozenset(),)),
    unknown_by=st.sampled_from(("ignore", "reject")),
    default_order=st.sampled_from(("insertion", "create_time_desc", "shuffled")),
    ties=st.sampled_from(("stable", "permuted")),
    nulls=st.sampled_from(("lowest", "first", "last", "interleaved")),
)
few = st.lists(st.integers(0, 60), min_size=1, max_size=3).map(tuple)
PLAIN = {
    "groups": groups,
    "steps": steps,
    "endless": st.booleans(),
    "in_flight": st.sampled_from((1, 4)),
    "seed": st.integers(0, 2**16),
}
ORDERS = {"max_limit": st.just(LIMIT), "ties": st.sampled_from(("stable", "permuted"))}
some_faults = st.one_of(st.just(()), faults)
scripts = st.builds(
    Script,
    quirks=st.one_of(st.just(Quirks(max_limit=LIMIT)), st.just(Quirks(max_limit=LIMIT, ties="permuted")), quirks),
    faults=some_faults,
    expected=st.sampled_from((0, 4, 15, 40)),
    **PLAIN,
)
sizes = st.sampled_from((LIMIT, 6, 8, 12, 20, 30, 50))
late = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)
chosen_by = st.sampled_from(("offset", "request", "pass"))
# Each with its own behaviour, and the rest as a plain server has it. A window caps TotalCount too: a server that does
# not sort at all has no other end from which that could be seen (assumption 4), so this one sorts.
BEHAVIOURS = {
    "window": {"quirks": st.builds(Quirks, window=sizes, **ORDERS)},
    "max_offset": {"quirks": st.builds(Quirks, max_offset=sizes, **ORDERS)},
    "unknown_by": {
        "quirks": st.builds(Quirks, sortable=st.just(frozenset()), unknown_by=st.just("create_time"), **ORDERS)
    },
    "default_order": {
        "quirks": st.builds(Quirks, sortable=st.just(frozenset()), default_order=st.just("create_time"), **ORDERS)
    },
    "by_aliases": {
        "quirks": st.builds(
            Quirks, by_aliases=st.sampled_from(("ScanTime", "Size")).map(lambda name: {"CreateTime": name}), **ORDERS
        )
    },
    "lags": {"quirks": st.builds(Quirks, lags=late, replica_by=chosen_by, **ORDERS)},
    # A wide tie is not proven by its size where two snapshots have as many rows, and other ones (assumption 1).
    "replicas": {
        "groups": st.builds(_grouped, st.integers(0, 60), st.just(2), st.integers(0, 2**16)),
        "quirks": st.builds(Quirks, replica_by=chosen_by, **ORDERS),
        "lacking": few,
    },
    # Images that come and go hide the silence, and answers that were under way at once have no before and after.
    "silent_shard": {
        "steps": st.lists(st.tuples(st.sampled_from(("rescan", "change_counts")), st.integers(1, 3)), max_size=4).map(
            tuple
        ),
        "quirks": st.builds(Quirks, shards=st.just(SHARDS), **ORDERS),
        "faults": st.builds(
            lambda first, times, shard: (Fault("silent_shard", at=range(first, first + times), value=shard),),
            st.integers(2, 14),
            st.integers(1, 4),
            st.integers(0, SHARDS - 1),
        ),
        "in_flight": st.just(1),
    },
    "poison": {"quirks": st.builds(Quirks, **ORDERS), "poisoned": few},
    "huge": {
        "quirks": st.builds(Quirks, **ORDERS),
        "large": st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4)), min_size=1, max_size=3).map(tuple),
    },
    "total_as": {"quirks": st.builds(Quirks, total_as=st.sampled_from(("text", "float")), **ORDERS)},
    "listed_twice": {"quirks": st.builds(Quirks, **ORDERS), "twice": few},
}
behaving = st.one_of(
    *(st.builds(Script, **{**PLAIN, "faults": some_faults, **special}) for special in BEHAVIOURS.values())
)
ROOM = 8  # rows of a page: as small as leaves room for a part
hashed_scripts = st.builds(
    Script,
    quirks=st.builds(
        Quirks,
        max_limit=st.just(ROOM),
        image_id_match=st.sampled_from(("substring", "substring", "substring", "prefix", "exact")),
        image_id_filter=st.sampled_from(("honoured",) * 6 + ("ignored", "empty")),
        filter_values=st.sampled_from((None,) * 6 + (1, 2, 3, 5, 10)),
        filter_values_max=st.sampled_from((None,) * 6 + (2, 5, 10)),
        page_cap=st.sampled_from((None,) * 6 + (3, 6)),
        total_delta=st.sampled_from((0,) * 8 + (-3, 3)),
        sortable=st.sampled_from((Quirks().sortable, frozenset())),
        ties=st.sampled_from(("stable", "permuted")),
    ),
    faults=some_faults,
    limit=st.just(ROOM),
    hashed=st.just(True),
    known=st.sampled_from((0, 20, 60)),
    parts_first=st.booleans(),
    twice=st.one_of(st.just(()), st.just(()), few),
    **PLAIN,
)


@MODEL
@given(scripts)
def test_a_complete_full_sweep_missed_nothing(script: Script) -> None:
    """Complete: every image listed throughout was shown. Always: only what was listed, in a state that it had."""
    check_full(script)


@MODEL
@given(behaving)
def test_whatever_a_server_does_where_its_page_is_silent(script: Script) -> None:
    """Complete: every image that was promised was shown."""
    check_full(script)


@MODEL
@given(hashed_scripts)
def test_a_list_that_may_be_read_in_parts(script: Script) -> None:
    """The same where ids are digests, however the server filters by them."""
    check_full(script)


def check_incremental(script: Script) -> Outcome:
    watched = script.watched()
    sweep = IncrementalSweep(watched.remote(script.in_flight, script.limit), since=script.since, now=script.now)
    pages = run(script, sweep, watched)
    outcome = sweep.outcome
    shown = [item for page in pages or () for item in page.items]
    for item in shown:
        assert item in watched.states[item["ImageID"]]
    if pages is None:
        return Outcome()
    assert outcome.reason
    assert outcome.complete is (outcome.fallback is None)
    if outcome.complete:
        unseen = _unscanned(watched) - {item["ImageID"] for item in shown}
        late = _scanned(watched, script.since) - {
            item["ImageID"] for item in shown if (instant(item) or -1) >= script.since
        }
        missed = (unseen | late) - _lacking(watched) - _hidden_at_an_end(watched, script)
        assert not missed, (outcome, sorted(missed))
    return outcome


def _unscanned(watched: Watched) -> set[str]:
    """Never scanned throughout."""
    return {i for i in watched.throughout if all(instant(state) is None for state in watched.states[i])}


def _scanned(watched: Watched, since: int) -> set[str]:
    """With a ScanTime from `since` on when the list was first asked for by ScanTime, and ever after.

    A failed scan may take an image's ScanTime away in mid-sweep; the next sweep then finds the image by its status. A
    replica that lags shows what it had: `since` is an hour before the watermark, so that the next sweep finds the rest.
    """
    before = next((answer.truth for answer in watched.answers if answer.payload.get("Order") == "desc"), {})
    newer = {i for i, item in before.items() if (instant(item) or -1) >= since} & watched.throughout
    if watched.quirks.lags:
        newer = {i for i in newer if all((instant(state) or -1) >= since for state in watched.states[i])}
    return {i for i in newer if instant(watched.truth[i]) is not None}


times = st.builds(
    lambda spread, nulls: tuple(NOW - DAY * day // 4 for day in range(spread)) + (None,) * nulls,
    spread=st.sampled_from((10, 40, 200, 200)),
    nulls=st.sampled_from((0, 1, 10, 30)),
)
INCREMENTAL = {
    "groups": st.builds(_grouped, st.integers(20, 120), st.sampled_from((1, 2, 3)), st.integers(0, 2**16)),
    "steps": steps,
    "endless": st.booleans(),
    "faults": some_faults,
    "in_flight": st.sampled_from((1, 4)),
    "seed": st.integers(0, 2**16),
    "scanned": times,
    "since": st.integers(-1, 8).map(lambda days: NOW - DAY * days),
    "now": st.sampled_from((NOW, NOW, NOW, NOW - DAY, NOW + DAY)),
}
incremental_scripts = st.builds(
    Script,
    quirks=st.one_of(
        st.just(Quirks(max_limit=LIMIT)),
        st.builds(
            Quirks,
            max_limit=st.just(LIMIT),
            page_cap=st.sampled_from((None, None, None, 3)),
            total_delta=st.sampled_from((0, 0, 0, -3, 3)),
            ties=st.sampled_from(("stable", "permuted")),
            nulls=st.sampled_from(("lowest", "first", "last", "interleaved")),
            status_filter=st.sampled_from(("honoured", "honoured", "ignored")),
        ),
    ),
    **INCREMENTAL,
)
ONLY_CREATE_TIME = frozenset({"CreateTime"})
# Assumption 6: a whole page in an order of something else is not in order by ScanTime by chance. Pages of five rows, or
# of images that are hardly ever scanned, may be: these lists have longer pages, and ScanTimes in most rows.
PAGE = 20
OTHERWISE = {
    **INCREMENTAL,
    "groups": st.builds(_grouped, st.integers(100, 300), st.sampled_from((1, 2, 3)), st.integers(0, 2**16)),
    "scanned": st.sampled_from((0, 1, 10)).map(
        lambda nulls: tuple(NOW - DAY * day // 4 for day in range(200)) + (None,) * nulls
    ),
    "limit": st.just(PAGE),
}
WIDER = {**ORDERS, "max_limit": st.just(PAGE)}
otherwise_sorted = st.one_of(
    st.builds(
        Quirks,
        sortable=st.sampled_from((frozenset(), ONLY_CREATE_TIME)),
        page_cap=st.sampled_from((None, None, 12)),
        nulls=st.sampled_from(("lowest", "first", "last", "interleaved")),
        unknown_by=st.sampled_from(("ignore", "create_time")),
        default_order=st.sampled_from(("create_time", "create_time_desc", "insertion", "shuffled")),
        **WIDER,
    ),
    st.builds(
        Quirks,
        by_aliases=st.sampled_from(("CreateTime", "Size", "HostCnt")).map(lambda name: {"ScanTime": name}),
        **WIDER,
    ),
)
# As in BEHAVIOURS, and what only an incremental sweep asks for.
INCREMENTAL_BEHAVIOURS = {
    **{
        name: {"quirks": special["quirks"], **({"faults": special["faults"]} if "faults" in special else {})}
        for name, special in BEHAVIOURS.items()
        if name in ("window", "max_offset", "lags", "silent_shard", "total_as")
    },
    "replicas": {"quirks": BEHAVIOURS["replicas"]["quirks"], "lacking": few},
    "poison": BEHAVIOURS["poison"],
    "huge": BEHAVIOURS["huge"],
    "listed_twice": BEHAVIOURS["listed_twice"],
    "status_values": {"quirks": st.builds(Quirks, status_values=st.integers(1, 3), **ORDERS)},
    "status_filter": {"quirks": st.builds(Quirks, status_filter=st.sampled_from(("ignored", "empty")), **ORDERS)},
}
INCREMENTAL_BEHAVIOURS["silent_shard"] |= {"in_flight": st.just(1), "steps": BEHAVIOURS["silent_shard"]["steps"]}
incremental_behaving = st.one_of(
    st.builds(Script, **{**OTHERWISE, "quirks": otherwise_sorted}),
    *(st.builds(Script, **{**INCREMENTAL, **special}) for special in INCREMENTAL_BEHAVIOURS.values()),
)


@MODEL
@given(incremental_scripts)
def test_a_complete_incremental_sweep_missed_nothing_new(script: Script) -> None:
    """Complete: every image scanned since, and every one not scanned, that was listed throughout was shown."""
    check_incremental(script)


@MODEL
@given(incremental_behaving)
def test_an_incremental_sweep_of_a_server_that_does_otherwise(script: Script) -> None:
    """The same where By, the filter's words, offsets or TotalCount are not what they seem."""
    check_incremental(script)


# Counter-examples that the longer run has found.


def test_what_one_pass_learns_of_the_server_holds_for_the_next() -> None:
    """Two rows at once are all that this server gives: two rows and TotalCount 2 are then no whole list."""
    deletions = (("rescan", 1), ("delete", 1), ("delete", 1), ("delete", 1), ("delete", 2))
    lying = Quirks(max_limit=LIMIT, page_cap=2, total_delta=-3)
    outcome = check_full(Script(_grouped(10, 1, 0), steps=deletions, quirks=lying))
    assert outcome.complete is False


def test_a_list_that_grows_as_fast_as_it_is_read_is_partial() -> None:
    """TotalCount says 5 all along, and after each request there are more."""
    quirks = Quirks(max_limit=LIMIT, page_cap=2, total_fixed=5, ties="permuted", nulls="interleaved")
    steps = (("insert", 3), ("insert", 3), ("start_scans", 1))
    outcome = check_full(Script((1, 3, 2, 2, 2), steps=steps, endless=True, quirks=quirks, in_flight=4, seed=417))
    assert outcome.complete is False


def test_a_page_cap_that_is_learnt_late_hides_no_unscanned_images() -> None:
    """Three unscanned images of TotalCount 3 are not all: with the scanned ones they are not as many as are listed."""
    lying = Quirks(max_limit=LIMIT, page_cap=3, total_delta=-3)
    scanned = (*(NOW - DAY * day // 4 for day in range(200)), *(None,) * 30)
    outcome = check_incremental(Script(_grouped(26, 1, 0), quirks=lying, scanned=scanned, since=NOW))
    assert str(outcome.fallback) == "the words of the ScanStatus filter name 20 of 23 images"


def test_a_null_at_the_end_of_a_page_does_not_end_the_read_by_scan_time() -> None:
    """This server puts nulls among the values, and its first null happened to stand last in an answer."""
    script = Script(
        _grouped(115, 1, 0),
        steps=(("insert", 1),),
        endless=True,
        quirks=Quirks(max_limit=LIMIT, nulls="interleaved"),
        seed=2933,
        scanned=tuple(NOW - DAY * day // 4 for day in range(200)),
        since=NOW - DAY * 3,
    )
    assert str(check_incremental(script).fallback) == "ScanTime: the sort values are not in order"


def test_a_row_twice_by_mistake_does_not_stand_for_one_that_was_missed() -> None:
    """TotalCount is one more than the images read, and one row was there twice: in one answer only."""
    script = Script(
        groups=(2, 4, 4, 6, 1, 6, 2, 3, 1, 5, 4, 4, 2),
        steps=(("rescan", 2), ("delete", 1), ("delete", 2), ("delete_read", 2)),
        quirks=Quirks(max_limit=LIMIT, ties="permuted"),
        faults=(Fault("duplicate_rows", at=14),),
        seed=33,
    )
    assert check_full(script).complete


def test_a_total_count_too_small_is_found_out_behind_the_end() -> None:
    """6 images, 3 in an answer, and a TotalCount of 3: the other end looks the same where the server does not sort."""
    quirks = Quirks(max_limit=LIMIT, page_cap=3, total_delta=-3, sortable=frozenset())
    assert not check_full(Script(groups=(1,) * 6, quirks=quirks)).complete
