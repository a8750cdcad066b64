-- What has changed, when, and from what to what?
--
-- One row per observed change of an image. A window: changed_at >= its begin and changed_at < its end. The sum of a
-- change over the rows of a window is the change of the posture in that window. To the first sync, every image is new.
-- Where history was pruned, no change is known at the begin of the oldest version that is left.
--
-- version: the version that began with the change; the version before has the next lower number
-- changed_at: when a sync observed the change, which happened since the sync before
-- kind: new, changed, gone or returned
-- is_newly_scanned: whether the ScanTime changed, or is the image's first
-- scan_status_before: scan_status of the version before; null: there is no such version, or it has no status
-- scan_time_before: when the version before was last scanned
-- host_cnt_before: hosts of the version before; here and below, a gone image has the numbers of its last observation,
-- and null means not known
-- container_cnt_before: containers of the version before
-- critical_before: critical vulnerabilities of the version before
-- high_before: high vulnerabilities of the version before
-- medium_before: medium vulnerabilities of the version before
-- low_before: low vulnerabilities of the version before
-- vul_before: vulnerabilities of the version before
-- virus_before: malicious files of the version before
-- risk_before: findings of sensitive data of the version before
-- container_change: how many more containers; here and below, an image that is gone or not yet known counts as 0, and
-- so does a number that is not known
-- critical_change: how many more critical vulnerabilities
-- high_change: how many more high vulnerabilities
-- medium_change: how many more medium vulnerabilities
-- low_change: how many more low vulnerabilities
-- vul_change: how many more vulnerabilities
-- virus_change: how many more malicious files
-- risk_change: how many more findings of sensitive data
-- account_name: what the account is called, as in accounts; null: the account has no name
with pairs as (
    select
        history.account_id,
        history.image_id,
        history.version,
        history.observed_at,
        history.image_name,
        earlier.version as version_before,
        case when history.deleted_at is null then 1 else 0 end as is_there,
        case when earlier.version is not null and earlier.deleted_at is null then 1 else 0 end as was_there,
        history.scan_status,
        earlier.scan_status as scan_status_before,
        history.scan_time,
        earlier.scan_time as scan_time_before,
        history.host_cnt,
        earlier.host_cnt as host_cnt_before,
        history.container_cnt,
        earlier.container_cnt as container_cnt_before,
        history.critical_level_vul_cnt,
        earlier.critical_level_vul_cnt as critical_before,
        history.high_level_vul_cnt,
        earlier.high_level_vul_cnt as high_before,
        history.medium_level_vul_cnt,
        earlier.medium_level_vul_cnt as medium_before,
        history.low_level_vul_cnt,
        earlier.low_level_vul_cnt as low_before,
        history.vul_cnt,
        earlier.vul_cnt as vul_before,
        history.virus_cnt,
        earlier.virus_cnt as virus_before,
        history.risk_cnt,
        earlier.risk_cnt as risk_before
    from images
    join image_history as history
        on history.account_id = images.account_id
        and history.image_id = images.image_id
        and history.version <= images.version
    left join image_history as earlier
        on earlier.account_id = history.account_id
        and earlier.image_id = history.image_id
        and earlier.version = history.version - 1
    where history.version = 1 or earlier.version is not null
)
select
    pairs.account_id,
    image_id,
    version,
    observed_at as changed_at,
    case
        when is_there = 0 then 'gone'
        when version_before is null then 'new'
        when was_there = 0 then 'returned'
        else 'changed'
    end as kind,
    image_name,
    case
        when scan_time is null then false
        when scan_time_before is null or scan_time_before <> scan_time then true
        else false
    end as is_newly_scanned,
    scan_status_before,
    scan_status,
    scan_time_before,
    scan_time,
    host_cnt_before,
    host_cnt,
    container_cnt_before,
    container_cnt,
    critical_before,
    critical_level_vul_cnt,
    high_before,
    high_level_vul_cnt,
    medium_before,
    medium_level_vul_cnt,
    low_before,
    low_level_vul_cnt,
    vul_before,
    vul_cnt,
    virus_before,
    virus_cnt,
    risk_before,
    risk_cnt,
    coalesce(is_there * container_cnt, 0) - coalesce(was_there * container_cnt_before, 0) as container_change,
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
