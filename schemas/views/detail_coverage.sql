-- Of how many images are the details known, and how far can they be trusted?
--
-- One row per account, aspect that was read, and state of images that are not gone; a state without images has no row.
-- The other views of details show old sets, or nothing, for images that are not current.
--
-- aspect: the list that was read of each image: vulnerabilities or malware
-- state: current; behind the scan (a new scan, or other counts, since the set was read; the views show the older set);
-- not proven (the last read is not proven whole; the views show the set before, or none); not read yet; scan not
-- finished (the present scan is under way, or has failed; its set is read after the next scan); or never scanned (there
-- is nothing to read)
-- images: images in that state
-- images_in_use: images in that state that a container uses
-- images_unsettled: images in that state whose set was read so soon after the scan that a later run reads it again
-- oldest_read_at: the oldest of the last reads of these images; null: no image was read
-- account_name: what the account is called, as in accounts; null: the account has no name
with aspects as (
    select account_id, aspect from image_reads
    union
    select account_id, aspect from detail_runs where aspect <> 'running'
),
levelled as (
    select
        scan_states.*,
        cast(critical_level_vul_cnt as varchar) || '/' || cast(high_level_vul_cnt as varchar) || '/'
        || cast(medium_level_vul_cnt as varchar) || '/' || cast(low_level_vul_cnt as varchar) as level_counts
    from scan_states
),
states as (
    select
        aspects.account_id,
        aspects.aspect,
        images.container_cnt,
        reads.settled,
        reads.read_at,
        case
            when images.scan_time is null and coalesce(reads.read_no, 0) = 0 then 'never scanned'
            when reads.verdict <> 'complete' then 'not proven'
            when
                reads.read_no > 0
                and reads.scan_time = images.scan_time
                and coalesce(case aspects.aspect when 'malware' then images.virus_cnt else images.vul_cnt end, -1)
                = coalesce(reads.vul_cnt, -1)
                and case when reads.level_counts <> images.level_counts then 1 else 0 end = 0
                then 'current'
            when images.status_state in ('not scanned', 'scanning', 'cancelled', 'failing') then 'scan not finished'
            when coalesce(reads.read_no, 0) = 0 then 'not read yet'
            else 'behind the scan'
        end as state
    from aspects
    join levelled as images on images.account_id = aspects.account_id
    left join image_reads as reads
        on reads.account_id = aspects.account_id
        and reads.image_id = images.image_id
        and reads.aspect = aspects.aspect
    where images.deleted_at is null
)
select
    states.account_id,
    aspect,
    state,
    count(*) as images,
    count(case when container_cnt > 0 then 1 end) as images_in_use,
    count(case when settled = false then 1 end) as images_unsettled,
    min(read_at) as oldest_read_at,
    called.account_name
from states
left join named_accounts as called on called.account_id = states.account_id
group by states.account_id, aspect, state, called.account_name
