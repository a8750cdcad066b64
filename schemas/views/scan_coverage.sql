-- Which images were never scanned, fail to be scanned, or were scanned too long ago?
--
-- One row per image that is not gone. Without a scan in the last N days: scan_age_days >= N or scan_time is null.
--
-- scan_state: scanned, not scanned, scanning (or waiting), cancelled, failing (by a scanner's error, or by the status),
-- or other (no status, or a status that this release does not know)
-- scan_time: when the image was last scanned; an image that fails now may have been scanned before
-- scan_age_days: whole days of 24 hours since scan_time; null: never scanned
-- scan_age: under 7 days, 7 to 29 days, 30 days or more, or never scanned
-- account_name: what the account is called, as in accounts; null: the account has no name
with ages as (
    select
        account_id,
        image_id,
        image_name,
        host_cnt,
        container_cnt,
        is_authorized,
        scan_status,
        scan_state,
        scan_time,
        cast(floor(date_diff('second', scan_time, current_timestamp) / 86400.0) as bigint) as scan_age_days
    from scan_states
    where deleted_at is null
)
select
    ages.account_id,
    image_id,
    image_name,
    host_cnt,
    container_cnt,
    is_authorized,
    scan_status,
    scan_state,
    scan_time,
    scan_age_days,
    case
        when scan_age_days is null then 'never scanned'
        when scan_age_days < 7 then 'under 7 days'
        when scan_age_days < 30 then '7 to 29 days'
        else '30 days or more'
    end as scan_age,
    called.account_name
from ages
left join named_accounts as called on called.account_id = ages.account_id
