-- Why do scans fail, and how many images does each cause concern?
--
-- One row per account, scanner and cause, over images that are not gone. An image counts once for each scanner that
-- reports an error about the image.
--
-- scanner: agent (on the host), scan (the service), virus, vul (vulnerabilities) or risk (sensitive data); status if
-- no scanner reports an error, but the status says that the scan failed, or this release does not know the status
-- cause: the scanner's error, or the status, or `no status`
-- images: images with this scanner and cause
-- images_in_use: images among these that a container uses
-- container_cnt: containers that use these images
-- images_never_scanned: images among these without a ScanTime
-- latest_scan_time: the newest ScanTime of these images
-- example_image_id: one of these images, as an example
-- example_reason: a reason that the API gives for one of these images
-- account_name: what the account is called, as in accounts; null: the account has no name
with scanners as (
    select 'agent' as scanner
    union all select 'scan'
    union all select 'virus'
    union all select 'vul'
    union all select 'risk'
    union all select 'status'
),
reports as (
    select
        images.account_id,
        images.image_id,
        scanners.scanner,
        case scanners.scanner
            when 'agent' then images.agent_error
            when 'scan' then images.scan_error
            when 'virus' then images.scan_virus_error
            when 'vul' then images.scan_vul_error
            when 'risk' then images.scan_risk_error
            when 'status' then case
                when images.has_scan_error = false and images.scan_state in ('failing', 'other')
                    then coalesce(images.scan_status, 'no status')
            end
        end as cause,
        images.container_cnt,
        images.scan_time,
        images.reason
    from scan_states as images
    cross join scanners
    where images.deleted_at is null
)
select
    reports.account_id,
    scanner,
    cause,
    count(*) as images,
    count(case when container_cnt > 0 then 1 end) as images_in_use,
    cast(coalesce(sum(container_cnt), 0) as bigint) as container_cnt,
    count(*) - count(scan_time) as images_never_scanned,
    max(scan_time) as latest_scan_time,
    min(image_id) as example_image_id,
    min(reason) as example_reason,
    called.account_name
from reports
left join named_accounts as called on called.account_id = reports.account_id
where cause is not null
group by reports.account_id, scanner, cause, called.account_name
