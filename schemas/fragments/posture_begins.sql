-- What each version of an image adds to the posture of its account when the version begins.
--
-- The sum of posture_begins and posture_ends up to the end of a day is the posture at the end of that day.
--
-- counted_at: of the image, as `considered` says: the images whose versions are considered
select
    history.account_id,
    history.observed_at,
    images.counted_at,
    1 as images_change,
    case when history.scan_time is null then 0 else 1 end as scanned_change,
    case when history.critical_level_vul_cnt is null then 0 else 1 end as rated_change,
    case when history.critical_level_vul_cnt > 0 then 1 else 0 end as affected_change,
    coalesce(history.vul_cnt, 0) as vul_change,
    coalesce(history.critical_level_vul_cnt, 0) as critical_change,
    coalesce(history.high_level_vul_cnt, 0) as high_change,
    coalesce(history.medium_level_vul_cnt, 0) as medium_change,
    coalesce(history.low_level_vul_cnt, 0) as low_change,
    coalesce(history.virus_cnt, 0) as virus_change,
    coalesce(history.risk_cnt, 0) as risk_change
from considered as images
join image_history as history
    on history.account_id = images.account_id
    and history.image_id = images.image_id
    and history.version <= images.version
where history.deleted_at is null
