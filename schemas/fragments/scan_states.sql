-- How the scan of each image stands. No other select knows the words of scan_status, or when a scan fails.
--
-- has_scan_error: whether a scanner reports an error
-- status_state: what the status alone says: scanned, not scanned, scanning, cancelled, failing, or other (no status, or
-- a status that this release does not know)
-- scan_state: failing if a scanner reports an error, else status_state
select
    stated.*,
    case when stated.has_scan_error = true then 'failing' else stated.status_state end as scan_state
from (
    select
        images.*,
        case
            when coalesce(agent_error, scan_error, scan_virus_error, scan_vul_error, scan_risk_error) is null then false
            else true
        end as has_scan_error,
        case
            when scan_status in ('SCANNED', 'FINISHED') then 'scanned'
            when scan_status = 'NOT_SCAN' then 'not scanned'
            when scan_status in ('SCANNING', 'WAIT_SCAN') then 'scanning'
            when scan_status = 'CANCELED' then 'cancelled'
            when scan_status in ('SCAN_ERR', 'FAILED') then 'failing'
            else 'other'
        end as status_state
    from images
) as stated
