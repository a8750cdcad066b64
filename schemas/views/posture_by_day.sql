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
-- account_name: what the account is called, as in accounts; null: the account has no name
with accounts as (
    select account_id, min(first_seen_at) as first_seen_at, min(changed_at) as oldest_at
    from images
    group by account_id
),
marks as (
    select
        accounts.account_id,
        max(posture_changes.changed_at) as counted_at,
        coalesce(max(posture_changes.changed_at), accounts.oldest_at - interval 24 hour) as since
    from accounts
    left join posture_changes on posture_changes.account_id = accounts.account_id
    group by accounts.account_id, accounts.oldest_at
),
-- The images that have changed since their account was counted: usually none, and then image_history is not read.
-- PostgreSQL takes a range of unknown bounds for a small one, and then uses indexes.
considered as (
    select images.account_id, images.image_id, images.version, marks.counted_at
    from images
    join marks on marks.account_id = images.account_id
    where
        images.changed_at > (select min(since) from marks)
        and images.changed_at <= (select max(changed_at) from images)
        and images.changed_at > marks.since
),
differences as (
    select
        account_id,
        cast(changed_at at time zone 'UTC' as date) as day,
        images_change,
        scanned_change,
        rated_change,
        affected_change,
        vul_change,
        critical_change,
        high_change,
        medium_change,
        low_change,
        virus_change,
        risk_change
    from posture_changes
    union all
    select
        fresh.account_id,
        cast(fresh.observed_at at time zone 'UTC' as date) as day,
        fresh.images_change,
        fresh.scanned_change,
        fresh.rated_change,
        fresh.affected_change,
        fresh.vul_change,
        fresh.critical_change,
        fresh.high_change,
        fresh.medium_change,
        fresh.low_change,
        fresh.virus_change,
        fresh.risk_change
    from posture_begins as fresh
    where fresh.counted_at is null or fresh.observed_at > fresh.counted_at
    union all
    select
        fresh.account_id,
        cast(fresh.observed_at at time zone 'UTC' as date) as day,
        fresh.images_change,
        fresh.scanned_change,
        fresh.rated_change,
        fresh.affected_change,
        fresh.vul_change,
        fresh.critical_change,
        fresh.high_change,
        fresh.medium_change,
        fresh.low_change,
        fresh.virus_change,
        fresh.risk_change
    from posture_ends as fresh
    where fresh.counted_at is null or fresh.observed_at > fresh.counted_at
),
changes as (
    select
        account_id,
        day,
        sum(images_change) as images,
        sum(scanned_change) as scanned,
        sum(rated_change) as rated,
        sum(affected_change) as affected,
        sum(vul_change) as vul,
        sum(critical_change) as critical,
        sum(high_change) as high,
        sum(medium_change) as medium,
        sum(low_change) as low,
        sum(virus_change) as virus,
        sum(risk_change) as risk
    from differences
    group by account_id, day
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
-- A clock that went back has later versions before the first: what they change counts too.
begun as (
    select account_id, cast(first_seen_at at time zone 'UTC' as date) as day
    from accounts
    union all
    select changes.account_id, changes.day
    from changes
    join accounts on accounts.account_id = changes.account_id
),
spans as (
    select account_id, min(day) as first_day
    from begun
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
    sums.account_id,
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
    cast(coalesce(risk, 0) as bigint) as risk_cnt,
    called.account_name
from sums
left join named_accounts as called on called.account_id = sums.account_id
