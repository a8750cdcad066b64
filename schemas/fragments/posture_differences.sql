-- What each version of an image adds to the posture of its account, compared with the version before.
--
-- The sum over the versions up to the end of a day is the posture at the end of that day.
select
    account_id,
    observed_at,
    image_changed_at,
    is_there - was_there as images_change,
    case when scan_time is null then 0 else is_there end
        - case when scan_time_before is null then 0 else was_there end as scanned_change,
    case when critical_level_vul_cnt is null then 0 else is_there end
        - case when critical_before is null then 0 else was_there end as rated_change,
    case when critical_level_vul_cnt > 0 then is_there else 0 end
        - case when critical_before > 0 then was_there else 0 end as affected_change,
    coalesce(is_there * vul_cnt, 0) - coalesce(was_there * vul_before, 0) as vul_change,
    coalesce(is_there * critical_level_vul_cnt, 0) - coalesce(was_there * critical_before, 0) as critical_change,
    coalesce(is_there * high_level_vul_cnt, 0) - coalesce(was_there * high_before, 0) as high_change,
    coalesce(is_there * medium_level_vul_cnt, 0) - coalesce(was_there * medium_before, 0) as medium_change,
    coalesce(is_there * low_level_vul_cnt, 0) - coalesce(was_there * low_before, 0) as low_change,
    coalesce(is_there * virus_cnt, 0) - coalesce(was_there * virus_before, 0) as virus_change,
    coalesce(is_there * risk_cnt, 0) - coalesce(was_there * risk_before, 0) as risk_change
from version_pairs
