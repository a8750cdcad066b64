"""What the API's documentation leaves open, each choice named and switchable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from connector.sandbox.orders import Nulls


@dataclass(frozen=True)
class Quirks:
    """How this server behaves where the documentation is silent. The defaults are the plainest reading of it.

    Paging:
        max_limit: the largest Limit (100 is documented; tests take less to have many pages of few images).
        limit_over_max: what a larger Limit gets.
        page_cap: no page has more rows than this, whatever Limit asks for.
        max_offset: a larger Offset is an error.
        total_delta, total_fixed: TotalCount is wrong by so much, or always this number.
        empty_list: how a page without rows is written.
    Sorting:
        sortable: the values of By that are honoured (fields that hold times or counts; SensitiveCount is RiskCnt).
        unknown_by: what another By gets; an ignored one leaves the default order.
        order_words: `lower` refuses `ASC`. Without Order, By sorts upwards.
        default_order: the order without By; `shuffled` is another one at every request.
        ties: whether rows with equal sort values keep their order between requests.
        nulls: where empty values stand: `lowest` is below all others (MySQL), `first` and `last` hold in both
            directions, `interleaved` puts them among the others.
    Filters:
        image_id_filter, status_filter: `ignored` returns everything, `empty` nothing.
        exact_match: what `ExactMatch: true` means; the documentation says the contrary of the name.
    Rows:
        fields: how many of the fields in the order of the documentation (22: those of an older release).
        extra_fields: fields that are added to every row.
        listed_twice: ids that are listed a second time -> the fields in which the second row differs.
    """

    max_limit: int = 100
    limit_over_max: Literal["error", "clamp"] = "error"
    page_cap: int | None = None
    max_offset: int | None = None
    total_delta: int = 0
    total_fixed: int | None = None
    empty_list: Literal["[]", "null"] = "[]"

    sortable: frozenset[str] = frozenset({"CreateTime", "ScanTime", "HostCnt", "ContainerCnt", "ComponentCnt"})
    unknown_by: Literal["ignore", "reject"] = "ignore"
    order_words: Literal["lower", "any"] = "any"
    default_order: Literal["insertion", "create_time_desc", "shuffled"] = "insertion"
    ties: Literal["stable", "permuted"] = "stable"
    nulls: Nulls = "lowest"

    image_id_filter: Literal["honoured", "ignored", "empty"] = "honoured"
    status_filter: Literal["honoured", "ignored", "empty"] = "honoured"
    exact_match: Literal["exact", "fuzzy"] = "exact"

    fields: int = 30
    extra_fields: Mapping[str, Any] = field(default_factory=dict)
    listed_twice: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
