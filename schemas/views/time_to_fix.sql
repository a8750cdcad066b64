-- How long does each repository take to get rid of its vulnerabilities?
--
-- One row per repository and severity. An image cannot be repaired, since its id is a hash of its content: a repository
-- is fixed when no image in use has the vulnerability any more. An image is in use from the first sync that sees a
-- container of the image to the first sync after the last that sees one. The time to fix runs from when the
-- vulnerability was first found in an image in use to when the last such image was out of use; a vulnerability that
-- went and came back has one time. Images that never had a repository are not here.
--
-- image_repository: the last repository that the image had: an image that lost its tag stays in its repository
-- severity: CRITICAL, HIGH, MEDIUM or LOW; null: no list of the account has shown the vulnerability
-- vulnerabilities: vulnerabilities that images in use had or have; each is in one of the next three columns
-- still_open: vulnerabilities that an image in use has now
-- reclassified: vulnerabilities that ended because a later scan of the same image no longer had them: not fixed
-- fixed: vulnerabilities that ended because no image in use has them
-- start_unknown: open or ended vulnerabilities whose start is not known in an image (since_is_known of findings); they
-- are in no average
-- fixed_and_known: fixed vulnerabilities with a known start
-- mean_days_to_fix: mean time to fix of fixed_and_known, in days; null: there are none
-- open_since: start of the oldest open vulnerability with a known start
-- account_name: what the account is called, as in accounts; null: the account has no name
with named as (
    select
        images.account_id,
        images.image_id,
        max(case when history.image_repository is not null then history.version end) as named_by
    from images
    join image_history as history
        on history.account_id = images.account_id
        and history.image_id = images.image_id
        and history.version <= images.version
    group by images.account_id, images.image_id
),
uses as (
    select
        named.account_id,
        named.image_id,
        naming.image_repository,
        min(history.observed_at) as used_from,
        max(history.valid_to) as used_to,
        max(case when history.valid_to is null then 1 else 0 end) as is_used
    from named
    join image_history as naming
        on naming.account_id = named.account_id
        and naming.image_id = named.image_id
        and naming.version = named.named_by
    join versions as history on history.account_id = named.account_id and history.image_id = named.image_id
    where history.deleted_at is null and history.container_cnt > 0
    group by named.account_id, named.image_id, naming.image_repository
),
in_use as (
    select
        account_id,
        image_id,
        image_repository,
        used_from,
        case when is_used = 0 then used_to end as used_to
    from uses
),
observed as (
    select
        found.account_id,
        found.image_id,
        found.vul_id,
        found.first_found_at,
        found.absent_at,
        case when found.closed_read <= reads.read_no then found.closed_at end as closed_at
    from image_vulnerabilities as found
    join image_reads as reads
        on reads.account_id = found.account_id
        and reads.image_id = found.image_id
        and reads.aspect = 'vulnerabilities'
    where
        found.opened_read <= reads.read_no
        and (found.closed_read is null or found.closed_read > found.opened_read)
),
exposed as (
    select
        in_use.account_id,
        in_use.image_repository,
        observed.vul_id,
        case when observed.first_found_at > in_use.used_from then observed.first_found_at else in_use.used_from end
            as from_at,
        case
            when observed.closed_at is null then in_use.used_to
            when in_use.used_to < observed.closed_at then in_use.used_to
            else observed.closed_at
        end as to_at,
        case
            when observed.closed_at is null or in_use.used_to < observed.closed_at then 'unused'
            else 'reclassified'
        end as ended_by,
        case
            when observed.absent_at < observed.first_found_at then 0
            when fresh.image_id is null or fresh.scanned_at < observed.first_found_at then 1
            else 0
        end as is_censored
    from in_use
    join observed on observed.account_id = in_use.account_id and observed.image_id = in_use.image_id
    left join new_images as fresh on fresh.account_id = in_use.account_id and fresh.image_id = in_use.image_id
),
lasting as (
    select
        account_id,
        image_repository,
        vul_id,
        min(from_at) as from_at,
        max(to_at) as to_at,
        max(case when to_at is null then 1 else 0 end) as is_open,
        max(case when ended_by = 'unused' then to_at end) as unused_at,
        max(is_censored) as is_censored
    from exposed
    where to_at is null or from_at < to_at
    group by account_id, image_repository, vul_id
),
judged as (
    select
        account_id,
        image_repository,
        vul_id,
        from_at,
        is_censored,
        case when is_open = 1 then 'open' when unused_at = to_at then 'fixed' else 'reclassified' end as state,
        date_diff('second', from_at, to_at) as seconds
    from lasting
)
select
    judged.account_id,
    judged.image_repository,
    facts.severity,
    count(*) as vulnerabilities,
    count(case when judged.state = 'open' then 1 end) as still_open,
    count(case when judged.state = 'reclassified' then 1 end) as reclassified,
    count(case when judged.state = 'fixed' then 1 end) as fixed,
    count(case when judged.is_censored = 1 then 1 end) as start_unknown,
    count(case when judged.state = 'fixed' and judged.is_censored = 0 then 1 end) as fixed_and_known,
    avg(case when judged.state = 'fixed' and judged.is_censored = 0 then cast(judged.seconds as double) / 86400 end)
        as mean_days_to_fix,
    min(case when judged.state = 'open' and judged.is_censored = 0 then judged.from_at end) as open_since,
    called.account_name
from judged
left join vulnerabilities as facts on facts.account_id = judged.account_id and facts.vul_id = judged.vul_id
left join named_accounts as called on called.account_id = judged.account_id
group by judged.account_id, judged.image_repository, facts.severity, called.account_name
