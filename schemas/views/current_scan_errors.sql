-- Which scanner fails on which image, and what does it say?
--
-- One row per image and scanner that reports an error about the image. Several scanners may fail on one image.
--
-- scanner: agent (on the host), scan (the service), virus, vul (vulnerabilities) or risk (sensitive data)
-- error: text of the error; the vendor does not document these texts
-- reason: why the scan failed, as the API explains it for the whole image
-- account_name: what the account is called, as in accounts; null: the account has no name
with scanners as (
    select 'agent' as scanner
    union all select 'scan'
    union all select 'virus'
    union all select 'vul'
    union all select 'risk'
),
reports as (
    select
        images.account_id,
        images.image_id,
        images.image_name,
        scanners.scanner,
        case scanners.scanner
            when 'agent' then images.agent_error
            when 'scan' then images.scan_error
            when 'virus' then images.scan_virus_error
            when 'vul' then images.scan_vul_error
            when 'risk' then images.scan_risk_error
        end as error,
        images.reason,
        images.solution,
        images.scan_status,
        images.scan_time,
        images.host_cnt,
        images.container_cnt
    from images
    cross join scanners
    where images.deleted_at is null
)
select
    reports.account_id,
    image_id,
    image_name,
    scanner,
    error,
    reason,
    solution,
    scan_status,
    scan_time,
    host_cnt,
    container_cnt,
    called.account_name
from reports
left join named_accounts as called on called.account_id = reports.account_id
where error is not null
