-- How far the set of findings of each image can be trusted, by aspect that was read: a row per aspect and image that is
-- not gone, with the columns of scan_states. No other select compares a set with the counts of its image.
--
-- state: as in detail_coverage
-- settled, read_at: as in image_reads
select
    images.*,
    aspects.aspect,
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
            -- Cast, since MySQL compares no column with a cast number whose collation is another one.
            and case when cast(reads.level_counts as varchar) <> images.level_counts then 1 else 0 end = 0
            then 'current'
        when images.status_state in ('not scanned', 'scanning', 'cancelled', 'failing') then 'scan not finished'
        when coalesce(reads.read_no, 0) = 0 then 'not read yet'
        else 'behind the scan'
    end as state
from (
    select account_id, aspect from image_reads
    union
    select account_id, aspect from detail_runs where aspect <> 'running'
) as aspects
join (
    select
        scan_states.*,
        cast(critical_level_vul_cnt as varchar) || '/' || cast(high_level_vul_cnt as varchar) || '/'
        || cast(medium_level_vul_cnt as varchar) || '/' || cast(low_level_vul_cnt as varchar) as level_counts
    from scan_states
) as images on images.account_id = aspects.account_id
left join image_reads as reads
    on reads.account_id = aspects.account_id
    and reads.image_id = images.image_id
    and reads.aspect = aspects.aspect
where images.deleted_at is null
