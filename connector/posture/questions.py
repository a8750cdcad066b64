"""Holds the questions of dashboard and report as data: SQL over the views, in the form that `dialects` translates.

In a question's SQL, `{filters}` stands for the conditions of the filters that are set, on the table alias `image`, and
`{most}` for `MOST_ROWS`. `matching` in an answer is the number of rows without that limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# A filter's condition; `filter_<name>` stands for the value. An empty value means that the column is null.
CONDITIONS: Mapping[str, str] = {
    "account": "image.account_id = filter_account",
    "registry": "coalesce(image.image_registry, '') = filter_registry",
    "os": "coalesce(image.os_family, '') = filter_os",
    "used": "case when image.container_cnt > 0 then 'yes' when image.container_cnt = 0 then 'no' end = filter_used",
}
Filters = Mapping[str, str]
"""Name of a condition -> value; a condition without a value does not filter."""
MOST_ROWS = 100
"""The most rows of an answer on a page: a browser would be slow with the rows of a large fleet."""


@dataclass(frozen=True)
class Question:
    """Holds a question and its SQL. `knows` names the filters that `sql` can apply; for other filters, which its view
    has summed up, `narrowed` gives the same columns from the views below."""

    text: str
    sql: str
    narrowed: str | None = None
    knows: frozenset[str] = field(default=frozenset(CONDITIONS))

    def template(self, filters: Filters) -> str:
        """Return the SQL for these filters; `filter_<name>` still stands for each value."""
        sql = self.narrowed if self.narrowed and not filters.keys() <= self.knows else self.sql
        conditions = "".join(f"\n    and {CONDITIONS[name]}" for name in CONDITIONS if name in filters)
        return sql.replace("{filters}", conditions).replace("{most}", str(MOST_ROWS))


_LEVELS = ("critical", "high", "medium", "low")
_SUMS = ",\n    ".join(
    f"cast(coalesce(sum(image.{name}), 0) as bigint) as {name}"
    for name in (*(f"{level}_level_vul_cnt" for level in _LEVELS), "virus_cnt", "risk_cnt")
)
_VERSIONS = ",\n        ".join(f"sum(coalesce(image.{level}_level_vul_cnt, 0)) as {level}" for level in _LEVELS)
_ACCOUNT = frozenset({"account"})

VIEWS = Question("Which views are there?", "select name from tcss_views")
NAMES = Question("What is each account called?", "select account_id, account_name from accounts order by account_id")
FRESHNESS = Question(
    "Can I trust the data, and how old is it?",
    """
select image.account_id, image.images, image.complete_at, image.data_age_hours, image.full_at, image.last_run_at,
    image.last_run_mode, image.last_run_verdict, image.last_run_reason, image.newest_scan_time
from data_freshness as image
where 1 = 1{filters}
order by image.account_id""",
    knows=_ACCOUNT,
)
CHOICES = Question(
    "Which accounts, registries and systems are there?",
    """
select image.account_id, coalesce(image.image_registry, '') as registry, coalesce(image.os_family, '') as os,
    count(*) as images
from current_images as image
group by image.account_id, coalesce(image.image_registry, ''), coalesce(image.os_family, '')""",
)
FLEET = Question(
    "How large is the fleet, and what is known of it?",
    f"""
select count(*) as images,
    count(case when image.container_cnt > 0 then 1 end) as images_in_use,
    cast(coalesce(sum(image.container_cnt), 0) as bigint) as container_cnt,
    count(image.scan_time) as images_scanned,
    count(case when image.scan_time is not null then image.critical_level_vul_cnt + image.virus_cnt + image.risk_cnt
        end) as images_counted,
    count(case when image.critical_level_vul_cnt > 0 then 1 end) as images_critical,
    count(case when image.container_cnt > 0 and image.critical_level_vul_cnt > 0 then 1 end) as in_use_critical,
    count(case when image.virus_cnt > 0 then 1 end) as images_malware,
    count(case when image.has_scan_error = true then 1 end) as images_scan_error,
    {_SUMS}
from current_images as image
where 1 = 1{{filters}}""",
)
TREND = Question(
    "How have vulnerabilities by severity, and the number of images, changed over time?",
    """
select image.day,
    cast(sum(image.images) as bigint) as images,
    cast(sum(image.critical_level_vul_cnt) as bigint) as critical,
    cast(sum(image.high_level_vul_cnt) as bigint) as high,
    cast(sum(image.medium_level_vul_cnt) as bigint) as medium,
    cast(sum(image.low_level_vul_cnt) as bigint) as low
from posture_by_day as image
where 1 = 1{filters}
group by image.day
order by image.day""",
    # Versions add their counts on the day when they begin, and subtract them on the day when they end.
    narrowed=f"""
with spans as (
    select cast(image.observed_at at time zone 'UTC' as date) as first_day,
        cast(image.valid_to at time zone 'UTC' as date) as last_day,
        count(*) as images,
        {_VERSIONS}
    from versions as image
    where image.deleted_at is null{{filters}}
    group by cast(image.observed_at at time zone 'UTC' as date), cast(image.valid_to at time zone 'UTC' as date)
),
differences as (
    select first_day as day, images, critical, high, medium, low
    from spans
    union all
    select last_day as day, -images as images, -critical as critical, -high as high, -medium as medium, -low as low
    from spans
    where last_day is not null
),
days as (
    select day, sum(images) as images, sum(critical) as critical, sum(high) as high, sum(medium) as medium,
        sum(low) as low
    from differences
    group by day
)
select day,
    cast(sum(images) over (order by day nulls first rows unbounded preceding) as bigint) as images,
    cast(sum(critical) over (order by day nulls first rows unbounded preceding) as bigint) as critical,
    cast(sum(high) over (order by day nulls first rows unbounded preceding) as bigint) as high,
    cast(sum(medium) over (order by day nulls first rows unbounded preceding) as bigint) as medium,
    cast(sum(low) over (order by day nulls first rows unbounded preceding) as bigint) as low
from days
order by day""",
    knows=_ACCOUNT,
)
RISK = Question(
    "Which images in use are the riskiest?",
    """
select risk.image_name, risk.image_id, risk.account_id, risk.container_cnt, risk.critical_level_vul_cnt,
    risk.high_level_vul_cnt, risk.medium_level_vul_cnt, risk.low_level_vul_cnt, risk.virus_cnt, risk.risk_cnt,
    risk.os_name, risk.scan_time, count(*) over () as matching
from images_at_risk as risk
join current_images as image on image.account_id = risk.account_id and image.image_id = risk.image_id
where 1 = 1{filters}
order by case when risk.virus_cnt > 0 then 1 else 0 end desc, coalesce(risk.critical_level_vul_cnt, 0) desc,
    coalesce(risk.virus_cnt, 0) desc, coalesce(risk.high_level_vul_cnt, 0) desc, coalesce(risk.vul_cnt, 0) desc,
    risk.container_cnt desc, risk.image_id
limit {most}""",
)
_EXPOSURE = """
select image.os_family, image.os_version, {images} as images, {in_use} as images_in_use,
    cast(coalesce(sum(image.critical_level_vul_cnt), 0) as bigint) as critical_level_vul_cnt,
    cast(coalesce(sum(image.high_level_vul_cnt), 0) as bigint) as high_level_vul_cnt,
    cast(coalesce(sum(image.medium_level_vul_cnt), 0) as bigint) as medium_level_vul_cnt,
    cast(coalesce(sum(image.low_level_vul_cnt), 0) as bigint) as low_level_vul_cnt,
    count(*) over () as matching
from {view} as image
where 1 = 1{{filters}}
group by image.os_family, image.os_version
order by critical_level_vul_cnt desc, high_level_vul_cnt desc, images desc, os_family, os_version
limit {{most}}"""
SYSTEMS = Question(
    "Which operating systems do the images run, and how exposed is each?",
    _EXPOSURE.format(
        view="os_exposure",
        images="cast(sum(image.images) as bigint)",
        in_use="cast(sum(image.images_in_use) as bigint)",
    ),
    narrowed=_EXPOSURE.format(
        view="current_images", images="count(*)", in_use="count(case when image.container_cnt > 0 then 1 end)"
    ),
    knows=frozenset({"account", "os"}),
)
COVERAGE = Question(
    "Which part of the fleet was scanned, and how long ago?",
    """
select coverage.scan_state, coverage.scan_age, count(*) as images,
    count(case when image.container_cnt > 0 then 1 end) as images_in_use
from scan_coverage as coverage
join current_images as image on image.account_id = coverage.account_id and image.image_id = coverage.image_id
where 1 = 1{filters}
group by coverage.scan_state, coverage.scan_age""",
)
FAILURES = Question(
    "Why do scans fail, and how many images does each cause concern?",
    """
select image.scanner, image.cause, cast(sum(image.images) as bigint) as images,
    cast(sum(image.images_in_use) as bigint) as images_in_use, max(image.latest_scan_time) as latest_scan_time,
    count(*) over () as matching
from scan_failures as image
where 1 = 1{filters}
group by image.scanner, image.cause
order by images desc, scanner, cause
limit {most}""",
    narrowed="""
with reports as (
    select errors.scanner, errors.error as cause, image.container_cnt, image.scan_time
    from current_scan_errors as errors
    join current_images as image on image.account_id = errors.account_id and image.image_id = errors.image_id
    where 1 = 1{filters}
    union all
    select 'status' as scanner, coalesce(image.scan_status, 'no status') as cause, image.container_cnt, image.scan_time
    from scan_coverage as coverage
    join current_images as image on image.account_id = coverage.account_id and image.image_id = coverage.image_id
    where coverage.scan_state in ('failing', 'other') and image.has_scan_error = false{filters}
)
select scanner, cause, count(*) as images, count(case when container_cnt > 0 then 1 end) as images_in_use,
    max(scan_time) as latest_scan_time, count(*) over () as matching
from reports
group by scanner, cause
order by images desc, scanner, cause
limit {most}""",
    knows=_ACCOUNT,
)
UNSCANNED = Question(
    "Which images were never scanned?",
    """
select coverage.image_name, coverage.image_id, coverage.account_id, coverage.container_cnt, coverage.scan_state,
    image.first_seen_at, count(*) over () as matching
from scan_coverage as coverage
join current_images as image on image.account_id = coverage.account_id and image.image_id = coverage.image_id
where coverage.scan_age = 'never scanned'{filters}
order by coalesce(coverage.container_cnt, 0) desc, image.first_seen_at, coverage.image_id
limit {most}""",
)
STALE = Question(
    "Which images were last scanned 30 days ago or more?",
    """
select coverage.image_name, coverage.image_id, coverage.account_id, coverage.container_cnt, coverage.scan_state,
    coverage.scan_time, coverage.scan_age_days, count(*) over () as matching
from scan_coverage as coverage
join current_images as image on image.account_id = coverage.account_id and image.image_id = coverage.image_id
where coverage.scan_age = '30 days or more'{filters}
order by coalesce(coverage.container_cnt, 0) desc, coverage.scan_age_days desc, coverage.image_id
limit {most}""",
)
HISTORY = Question(
    "What was known of this image, and from when to when?",
    """
select version.valid_from, version.valid_to, version.event, version.image_name, version.container_cnt,
    version.critical_level_vul_cnt, version.high_level_vul_cnt, version.medium_level_vul_cnt,
    version.low_level_vul_cnt, version.virus_cnt, version.scan_status, version.scan_time, count(*) over () as matching
from image_versions as version
where version.account_id = filter_account and version.image_id = filter_image
order by version.version desc
limit {most}""",
)
FIND = Question(
    "Which images have this text in their name, or as their id?",
    """
select image.image_name, image.image_id, image.account_id, count(*) over () as matching
from current_images as image
where image.image_id = filter_text or image.image_name like filter_pattern escape '|'
order by image.image_name, image.account_id, image.image_id
limit 20""",
)
QUESTIONS: Mapping[str, Question] = {
    "freshness": FRESHNESS,
    "choices": CHOICES,
    "fleet": FLEET,
    "trend": TREND,
    "risk": RISK,
    "systems": SYSTEMS,
    "coverage": COVERAGE,
    "failures": FAILURES,
    "unscanned": UNSCANNED,
    "stale": STALE,
    "history": HISTORY,
    "find": FIND,
}
