-- What has changed in the last 24 hours?
--
-- One row per image with a new version in the last 24 hours, compared with the version that was valid before. The sum
-- of a change over an account's rows is the change of its posture. An account whose first image was seen less than 24
-- hours ago has no rows, because there is no older state to compare with.
--
-- kind: new, gone, returned (was gone 24 hours ago or later, and is there again), came and went (was there only in
-- between), or changed, even if the image now is again as 24 hours ago
-- observed_at: when the newest version was observed
-- versions: versions that were observed in the last 24 hours
-- is_newly_scanned: whether the ScanTime changed, or is the image's first
-- scan_status_before: scan_status 24 hours ago; null: the image was not known
-- container_cnt: containers now, or at the last observation of a gone image
-- critical_level_vul_cnt: critical vulnerabilities now, or at the last observation of a gone image
-- container_change: how many more containers than 24 hours ago; here and below, an image that is gone or not yet known
-- counts as 0, and so does a number that is not known
-- critical_change: how many more critical vulnerabilities
-- high_change: how many more high vulnerabilities
-- medium_change: how many more medium vulnerabilities
-- low_change: how many more low vulnerabilities
-- vul_change: how many more vulnerabilities
-- virus_change: how many more malicious files
-- risk_change: how many more findings of sensitive data
-- account_name: what the account is called, as in accounts; null: the account has no name
with recent as (
    select
        history.account_id,
        history.image_id,
        min(history.version) as first_version,
        count(*) as versions,
        max(case when history.deleted_at is null then 0 else 1 end) as was_gone
    from images
    join image_history as history
        on history.account_id = images.account_id
        and history.image_id = images.image_id
        and history.version <= images.version
    where history.observed_at > current_timestamp - interval 24 hour
        and images.changed_at > current_timestamp - interval 24 hour
        and images.account_id in (
            select account_id
            from images
            where first_seen_at <= current_timestamp - interval 24 hour
        )
    group by history.account_id, history.image_id
),
pairs as (
    select
        images.account_id,
        images.image_id,
        images.image_name,
        images.changed_at,
        recent.versions,
        recent.was_gone,
        earlier.version as version_before,
        case when images.deleted_at is null then 1 else 0 end as is_there,
        case when earlier.version is not null and earlier.deleted_at is null then 1 else 0 end as was_there,
        images.scan_time,
        earlier.scan_time as scan_time_before,
        images.scan_status,
        earlier.scan_status as scan_status_before,
        images.container_cnt,
        earlier.container_cnt as container_before,
        images.critical_level_vul_cnt,
        earlier.critical_level_vul_cnt as critical_before,
        images.high_level_vul_cnt,
        earlier.high_level_vul_cnt as high_before,
        images.medium_level_vul_cnt,
        earlier.medium_level_vul_cnt as medium_before,
        images.low_level_vul_cnt,
        earlier.low_level_vul_cnt as low_before,
        images.vul_cnt,
        earlier.vul_cnt as vul_before,
        images.virus_cnt,
        earlier.virus_cnt as virus_before,
        images.risk_cnt,
        earlier.risk_cnt as risk_before
    from recent
    join images on images.account_id = recent.account_id and images.image_id = recent.image_id
    left join image_history as earlier
        on earlier.account_id = recent.account_id
        and earlier.image_id = recent.image_id
        and earlier.version = recent.first_version - 1
)
select
    pairs.account_id,
    image_id,
    image_name,
    case
        when is_there = 0 and was_there = 1 then 'gone'
        when is_there = 0 then 'came and went'
        when version_before is null then 'new'
        when was_there = 0 or was_gone = 1 then 'returned'
        else 'changed'
    end as kind,
    changed_at as observed_at,
    versions,
    case
        when scan_time is null then false
        when scan_time_before is null or scan_time_before <> scan_time then true
        else false
    end as is_newly_scanned,
    scan_status_before,
    scan_status,
    container_cnt,
    critical_level_vul_cnt,
    coalesce(is_there * container_cnt, 0) - coalesce(was_there * container_before, 0) as container_change,
    coalesce(is_there * critical_level_vul_cnt, 0) - coalesce(was_there * critical_before, 0) as critical_change,
    coalesce(is_there * high_level_vul_cnt, 0) - coalesce(was_there * high_before, 0) as high_change,
    coalesce(is_there * medium_level_vul_cnt, 0) - coalesce(was_there * medium_before, 0) as medium_change,
    coalesce(is_there * low_level_vul_cnt, 0) - coalesce(was_there * low_before, 0) as low_change,
    coalesce(is_there * vul_cnt, 0) - coalesce(was_there * vul_before, 0) as vul_change,
    coalesce(is_there * virus_cnt, 0) - coalesce(was_there * virus_before, 0) as virus_change,
    coalesce(is_there * risk_cnt, 0) - coalesce(was_there * risk_before, 0) as risk_change,
    called.account_name
from pairs
left join named_accounts as called on called.account_id = pairs.account_id
