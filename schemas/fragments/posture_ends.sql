-- What a version of an image takes from the posture of its account when the next version begins.
--
-- observed_at: when a sync first observed the next version
-- counted_at: of the image, as `considered` says: the images whose versions are considered
select
    history.account_id,
    history.observed_at,
    images.counted_at,
    -1 as images_change,
    case when earlier.scan_time is null then 0 else -1 end as scanned_change,
    case when earlier.critical_level_vul_cnt is null then 0 else -1 end as rated_change,
    case when earlier.critical_level_vul_cnt > 0 then -1 else 0 end as affected_change,
    -coalesce(earlier.vul_cnt, 0) as vul_change,
    -coalesce(earlier.critical_level_vul_cnt, 0) as critical_change,
    -coalesce(earlier.high_level_vul_cnt, 0) as high_change,
    -coalesce(earlier.medium_level_vul_cnt, 0) as medium_change,
    -coalesce(earlier.low_level_vul_cnt, 0) as low_change,
    -coalesce(earlier.virus_cnt, 0) as virus_change,
    -coalesce(earlier.risk_cnt, 0) as risk_change
from considered as images
join image_history as history
    on history.account_id = images.account_id
    and history.image_id = images.image_id
    and history.version <= images.version
join image_history as earlier
    on earlier.account_id = history.account_id
    and earlier.image_id = history.image_id
    and earlier.version = history.version - 1
where earlier.deleted_at is null
