-- How many images and vulnerabilities did each account have at the end of each day?
--
-- One row per account and UTC day from the first observation to today, days without a sync included. An image counts
-- with its version at the end of the day, or, for today, with its present version; an image that was gone does not
-- count. The counts are sums over the images. The days end 10,000 days after the first observation.
--
-- day: a date in UTC
-- images: images that were not gone
-- images_scanned: images among these with a ScanTime
-- images_rated: images among these with counts by severity; the other images add nothing to the counts by severity
-- images_critical: images among these with a critical vulnerability
with versions as (
    select
        version.account_id,
        cast(version.observed_at at time zone 'UTC' as date) as first_day,
        cast(later.observed_at at time zone 'UTC' as date) as last_day,
        count(*) as images,
        sum(case when version.scan_time is null then 0 else 1 end) as scanned,
        sum(case when version.critical_level_vul_cnt is null then 0 else 1 end) as rated,
        sum(case when version.critical_level_vul_cnt > 0 then 1 else 0 end) as affected,
        sum(coalesce(version.vul_cnt, 0)) as vul,
        sum(coalesce(version.critical_level_vul_cnt, 0)) as critical,
        sum(coalesce(version.high_level_vul_cnt, 0)) as high,
        sum(coalesce(version.medium_level_vul_cnt, 0)) as medium,
        sum(coalesce(version.low_level_vul_cnt, 0)) as low,
        sum(coalesce(version.virus_cnt, 0)) as virus,
        sum(coalesce(version.risk_cnt, 0)) as risk
    from images
    join image_history as version
        on version.account_id = images.account_id
        and version.image_id = images.image_id
        and version.version <= images.version
    left join image_history as later
        on later.account_id = version.account_id
        and later.image_id = version.image_id
        and later.version = version.version + 1
        and version.version < images.version
    where version.deleted_at is null
    group by
        version.account_id,
        cast(version.observed_at at time zone 'UTC' as date),
        cast(later.observed_at at time zone 'UTC' as date)
),
-- Versions with the same days count together: added on the day when they begin, subtracted on the day when they end.
signs as (
    select 1 as sign
    union all select -1
),
changes as (
    select
        account_id,
        case when sign = 1 then first_day else last_day end as day,
        sum(sign * images) as images,
        sum(sign * scanned) as scanned,
        sum(sign * rated) as rated,
        sum(sign * affected) as affected,
        sum(sign * vul) as vul,
        sum(sign * critical) as critical,
        sum(sign * high) as high,
        sum(sign * medium) as medium,
        sum(sign * low) as low,
        sum(sign * virus) as virus,
        sum(sign * risk) as risk
    from versions
    cross join signs
    where sign = 1 or last_day is not null
    group by account_id, case when sign = 1 then first_day else last_day end
),
digits as (
    select 0 as digit
    union all select 1
    union all select 2
    union all select 3
    union all select 4
    union all select 5
    union all select 6
    union all select 7
    union all select 8
    union all select 9
),
numbers as (
    select units.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit as days
    from digits as units
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
),
spans as (
    select account_id, cast(min(first_seen_at) at time zone 'UTC' as date) as first_day
    from images
    group by account_id
),
calendar as (
    select spans.account_id, cast(date_add(spans.first_day, interval (numbers.days) day) as date) as day
    from spans
    cross join numbers
),
days as (
    select
        calendar.account_id,
        calendar.day,
        changes.images,
        changes.scanned,
        changes.rated,
        changes.affected,
        changes.vul,
        changes.critical,
        changes.high,
        changes.medium,
        changes.low,
        changes.virus,
        changes.risk
    from calendar
    left join changes on changes.account_id = calendar.account_id and changes.day = calendar.day
    where calendar.day <= cast(current_timestamp at time zone 'UTC' as date)
),
sums as (
    select
        account_id,
        day,
        sum(images) over (partition by account_id order by day nulls first rows unbounded preceding) as images,
        sum(scanned) over (partition by account_id order by day nulls first rows unbounded preceding) as scanned,
        sum(rated) over (partition by account_id order by day nulls first rows unbounded preceding) as rated,
        sum(affected) over (partition by account_id order by day nulls first rows unbounded preceding) as affected,
        sum(vul) over (partition by account_id order by day nulls first rows unbounded preceding) as vul,
        sum(critical) over (partition by account_id order by day nulls first rows unbounded preceding) as critical,
        sum(high) over (partition by account_id order by day nulls first rows unbounded preceding) as high,
        sum(medium) over (partition by account_id order by day nulls first rows unbounded preceding) as medium,
        sum(low) over (partition by account_id order by day nulls first rows unbounded preceding) as low,
        sum(virus) over (partition by account_id order by day nulls first rows unbounded preceding) as virus,
        sum(risk) over (partition by account_id order by day nulls first rows unbounded preceding) as risk
    from days
)
select
    account_id,
    day,
    cast(coalesce(images, 0) as bigint) as images,
    cast(coalesce(scanned, 0) as bigint) as images_scanned,
    cast(coalesce(rated, 0) as bigint) as images_rated,
    cast(coalesce(affected, 0) as bigint) as images_critical,
    cast(coalesce(vul, 0) as bigint) as vul_cnt,
    cast(coalesce(critical, 0) as bigint) as critical_level_vul_cnt,
    cast(coalesce(high, 0) as bigint) as high_level_vul_cnt,
    cast(coalesce(medium, 0) as bigint) as medium_level_vul_cnt,
    cast(coalesce(low, 0) as bigint) as low_level_vul_cnt,
    cast(coalesce(virus, 0) as bigint) as virus_cnt,
    cast(coalesce(risk, 0) as bigint) as risk_cnt
from sums
