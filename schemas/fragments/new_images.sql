-- Images that were new after the account's first complete sync: whatever their first scan found came with them.
--
-- scanned_at: the first scan that is known; null: no scan is known. What a later scan found may be older, if the set of
-- the first scan was not read. (MariaDB makes no index for a join to scans that are grouped.)
select
    images.account_id,
    images.image_id,
    (
        select min(scans.scan_time)
        from image_scans as scans
        where scans.account_id = images.account_id and scans.image_id = images.image_id
    ) as scanned_at
from images
join (
    select account_id, min(finished_at) as complete_at
    from sync_runs
    where mode = 'full' and verdict = 'complete' and filters is null
    group by account_id
) as began on began.account_id = images.account_id and images.first_seen_at > began.complete_at
