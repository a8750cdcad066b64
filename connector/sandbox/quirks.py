"""Names every choice that the API's documentation leaves open, and makes each switchable."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from connector.sandbox.images import FIELDS
from connector.sandbox.orders import Nulls


@dataclass(frozen=True)
class Quirks:
    """Decides what this server does where the documentation is silent. The defaults are its plainest reading.

    Paging:
        max_limit: the largest Limit (100 is documented; tests use less, for many pages of few images).
        limit_over_max: the reaction to a larger Limit.
        page_cap: the most rows of a page, whatever Limit is.
        max_offset: the largest Offset; a larger Offset is an error.
        window: the most rows of a list, and the largest TotalCount (for each order and filter by itself).
        total_delta, total_fixed: what is added to TotalCount, or a TotalCount that never changes.
        total_as: how TotalCount is written: 230, "230" or 230.0.
        empty_list: how a page without rows is written.
    Sorting:
        sortable: the values of By that the server honours (fields of times or counts; SensitiveCount is RiskCnt).
        by_aliases: values of By -> the field that really sorts the list; the values need not be sortable.
        unknown_by: the reaction to another By. `ignore` leaves the default order, `create_time` sorts by CreateTime
            in the direction of Order.
        order_words: `lower` refuses `ASC`. By without Order sorts upwards.
        default_order: the order without By; `shuffled` is a new order at every request. `create_time` goes in the
            direction of Order (upwards without Order), the other orders ignore Order.
        ties: whether rows with equal sort values keep their order between requests.
        nulls: where empty values stand: `lowest` is below all others (MySQL), `first` and `last` hold in both
            directions, `interleaved` mixes them with the others.
    Filters:
        image_id_filter, status_filter: `ignored` returns everything, `empty` returns nothing.
        exact_match: the meaning of `ExactMatch: true`; the documentation says the opposite of the name.
        image_id_match: what the ImageID filter does without ExactMatch. Where ExactMatch asks for a fuzzy match,
            `prefix` matches prefixes; all other values match substrings.
        filter_values: the server reads only so many values of a filter, the first ones. status_values: for ScanStatus.
        filter_values_max: a filter with more values is refused.
    Rows:
        fields: the number of fields, in the order of the documentation (22: those of an older release).
        extra_fields: fields that are added to every row.
        listed_twice: ids that are listed a second time -> the fields in which the second row is different.
        times: how ScanTime and CreateTime are written; `naive` is the wall clock of UTC+8, `2025-06-01 16:00:00.123`.
        poison: ids; every answer that would show their row is an InternalError.
        huge: ids -> the most rows of an answer with their row; larger answers are a ResponseSizeLimitExceeded.
    Behind the list:
        replicas: the ids that each replica lacks; each replica has its own TotalCount. Empty: one server has all ids.
        lags: by how many revisions of the fleet each replica is late (0 where `lags` is shorter than `replicas`).
        replica_by: what chooses the replica: the page (Offset // Limit), the number of the request, or the pass,
            which is the next one whenever Offset returns to 0.
        shards: the number of shards over which images are spread by their id (`shard_of`); 0: there are no shards.
        down_shards: the shards whose images are neither listed nor counted, in any list.
        cache: answers are kept by payload; `Backend.replaying` repeats them.
    Details (the lists of vulnerabilities, malware, components, containers and hosts; the paging quirks hold there too,
    except window and total_delta, total_fixed):
        detail_ties: whether rows with equal values of By keep their order between requests.
        detail_most_rows: the most rows of a page; larger pages are a ResponseSizeLimitExceeded.
        detail_extra_fields: fields that are added to every row of these lists.
        extra_tags: words that are added to the tags of every vulnerability.
        vul_cnt: what VulCnt and the level counts of images count: rows, distinct CVEs (names, where there is no CVE),
            or distinct pairs of CVE and component.
        levels: whether 4 is the worst Level in rows of images (`rising`) or 1 (`reversed`).
        late_requests, late_seconds: after its ScanTime has changed, an image still has the results of the former scan
            for so many requests, and for so many seconds of the fleet's clock.
        total_moves: what is added to TotalCount in every second answer of an action.
        unknown_ids: the reaction to an unknown ImageID or PocID: an error, or an empty list.
        licensed: without a licence the lists of vulnerabilities, malware and components are empty.
        refused: actions -> the error code that they always get, such as `UnauthorizedOperation`.
    Envelope:
        request_ids: `none` leaves RequestId out of all answers.
    """

    max_limit: int = 100
    limit_over_max: Literal["error", "clamp"] = "error"
    page_cap: int | None = None
    max_offset: int | None = None
    window: int | None = None
    total_delta: int = 0
    total_fixed: int | None = None
    total_as: Literal["integer", "text", "float"] = "integer"
    empty_list: Literal["[]", "null"] = "[]"

    sortable: frozenset[str] = frozenset({"CreateTime", "ScanTime", "HostCnt", "ContainerCnt", "ComponentCnt"})
    by_aliases: Mapping[str, str] = field(default_factory=dict)
    unknown_by: Literal["ignore", "reject", "create_time"] = "ignore"
    order_words: Literal["lower", "any"] = "any"
    default_order: Literal["insertion", "create_time", "create_time_desc", "shuffled"] = "insertion"
    ties: Literal["stable", "permuted"] = "stable"
    nulls: Nulls = "lowest"

    image_id_filter: Literal["honoured", "ignored", "empty"] = "honoured"
    status_filter: Literal["honoured", "ignored", "empty"] = "honoured"
    exact_match: Literal["exact", "fuzzy"] = "exact"
    image_id_match: Literal["exact", "substring", "prefix"] = "exact"
    filter_values: int | None = None
    status_values: int | None = None
    filter_values_max: int | None = None

    fields: int = 30
    extra_fields: Mapping[str, Any] = field(default_factory=dict)
    listed_twice: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    times: Literal["rfc3339", "naive"] = "rfc3339"
    poison: frozenset[str] = frozenset()
    huge: Mapping[str, int] = field(default_factory=dict)

    replicas: tuple[frozenset[str], ...] = ()
    lags: tuple[int, ...] = ()
    replica_by: Literal["offset", "request", "pass"] = "offset"
    shards: int = 0
    down_shards: frozenset[int] = frozenset()
    cache: bool = False

    detail_ties: Literal["stable", "permuted"] = "stable"
    detail_most_rows: int | None = None
    detail_extra_fields: Mapping[str, Any] = field(default_factory=dict)
    extra_tags: tuple[str, ...] = ()
    vul_cnt: Literal["rows", "cves", "cve_component"] = "rows"
    levels: Literal["rising", "reversed"] = "rising"
    late_requests: int = 0
    late_seconds: float = 0
    total_moves: int = 0
    unknown_ids: Literal["error", "empty"] = "error"
    licensed: bool = True
    refused: Mapping[str, str] = field(default_factory=dict)

    request_ids: Literal["unique", "none"] = "unique"

    def __post_init__(self) -> None:
        if self.down_shards and not self.shards:
            raise ValueError("down_shards needs shards")

    @cached_property
    def passing(self) -> Hashable:
        """All that decides which rows pass the filters, except the filters themselves."""
        matching = (self.image_id_filter, self.status_filter, self.exact_match, self.image_id_match)
        return (*matching, self.shards, frozenset(self.down_shards))

    @cached_property
    def plain_rows(self) -> bool:
        """Whether rows are shown as they are in the fleet."""
        return self.fields >= len(FIELDS) and not self.extra_fields and self.times == "rfc3339"

    @cached_property
    def breaking(self) -> bool:
        """Whether some rows break their answers."""
        return bool(self.poison or self.huge)
