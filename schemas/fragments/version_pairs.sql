-- Each version of an image beside the version before.
--
-- Rows of image_history that a killed run left are not here. A version whose predecessor was pruned has no version
-- before. is_there and was_there are 0 while the image is gone, and was_there is 0 where there is no version before.
--
-- image_changed_at: changed_at of the image's latest version
select
    history.account_id,
    history.image_id,
    history.version,
    history.observed_at,
    images.changed_at as image_changed_at,
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
