-- Which images in use are the riskiest?
--
-- One row per image that a container uses and that had findings in its last scan. Images that were never scanned are in
-- scan_coverage, not here. The columns that are not explained here are those of images.
--
-- risk_rank: 1 is the riskiest of its account: images with malware first, then most critical vulnerabilities, then
-- most malware, then most high vulnerabilities, then most vulnerabilities, then most containers; counts that the API
-- does not send rank as 0
-- account_name: what the account is called, as in accounts; null: the account has no name
select
    images.account_id,
    rank() over (
        partition by images.account_id
        order by
            case when virus_cnt > 0 then 1 else 0 end desc,
            coalesce(critical_level_vul_cnt, 0) desc,
            coalesce(virus_cnt, 0) desc,
            coalesce(high_level_vul_cnt, 0) desc,
            coalesce(vul_cnt, 0) desc,
            container_cnt desc
    ) as risk_rank,
    image_id,
    image_name,
    container_cnt,
    host_cnt,
    critical_level_vul_cnt,
    high_level_vul_cnt,
    medium_level_vul_cnt,
    low_level_vul_cnt,
    vul_cnt,
    virus_cnt,
    risk_cnt,
    is_trust_image,
    is_suggest,
    recommended_fix,
    os_name,
    scan_time,
    called.account_name
from images
left join named_accounts as called on called.account_id = images.account_id
where deleted_at is null
    and container_cnt > 0
    and (
        critical_level_vul_cnt > 0
        or high_level_vul_cnt > 0
        or medium_level_vul_cnt > 0
        or low_level_vul_cnt > 0
        or vul_cnt > 0
        or virus_cnt > 0
        or risk_cnt > 0
    )
