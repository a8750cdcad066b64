-- Which operating systems do the images run, and how exposed is each?
--
-- One row per account, system and version of images that are not gone. The counts are sums over the images.
--
-- os_family: null where the system is not known
-- os_version: null where the version is not known
-- images: images with this system and version
-- images_in_use: images among these that a container uses
-- images_scanned: images among these with a ScanTime
-- images_rated: images among these with counts by severity; the other images add nothing to the counts by severity
-- images_critical: images among these with a critical vulnerability
-- account_name: what the account is called, as in accounts; null: the account has no name
select
    present.account_id,
    os_family,
    os_version,
    count(*) as images,
    count(case when container_cnt > 0 then 1 end) as images_in_use,
    count(scan_time) as images_scanned,
    count(critical_level_vul_cnt) as images_rated,
    count(case when critical_level_vul_cnt > 0 then 1 end) as images_critical,
    cast(coalesce(sum(container_cnt), 0) as bigint) as container_cnt,
    cast(coalesce(sum(vul_cnt), 0) as bigint) as vul_cnt,
    cast(coalesce(sum(critical_level_vul_cnt), 0) as bigint) as critical_level_vul_cnt,
    cast(coalesce(sum(high_level_vul_cnt), 0) as bigint) as high_level_vul_cnt,
    cast(coalesce(sum(medium_level_vul_cnt), 0) as bigint) as medium_level_vul_cnt,
    cast(coalesce(sum(low_level_vul_cnt), 0) as bigint) as low_level_vul_cnt,
    cast(coalesce(sum(virus_cnt), 0) as bigint) as virus_cnt,
    cast(coalesce(sum(risk_cnt), 0) as bigint) as risk_cnt,
    called.account_name
from images as present
left join named_accounts as called on called.account_id = present.account_id
where deleted_at is null
group by present.account_id, os_family, os_version, called.account_name
