-- Can I trust the data, and how old is it?
--
-- One row per account. A run counts as complete here if its verdict is complete, no filter restricted it, and its start
-- is at most five minutes in the future; a later start comes from a wrong clock, and gives no age.
--
-- complete_at: start of the last complete run, whose images are here; null: there was no such run
-- data_age_hours: whole hours since complete_at
-- full_at: start of the last complete full run; only full runs see deletions and changes without a scan
-- full_age_hours: whole hours since full_at
-- last_run_at: start of the last run of any kind; null: no run has ended
-- last_run_mode: full or incremental
-- last_run_verdict: complete, partial or failed
-- last_run_reason: what proves the last run complete, or what is missing
-- last_run_hours: whole hours since last_run_at
-- partial_since: partial runs since complete_at
-- failed_since: failed runs since complete_at
-- filtered_since: complete runs with a filter since complete_at
-- images: images that are not gone
-- newest_change_at: when an image was last observed to be new, changed, gone or returned
-- newest_scan_time: the newest ScanTime of an image that is not gone, which shows whether TCSS still scans
-- account_name: what the account is called, as in accounts; null: the account has no name
with known as (
    select account_id, max(started_at) as last_run_at
    from sync_runs
    group by account_id
),
-- Runs of years are read only of accounts without a complete full run in the last eight days.
recent as (
    select account_id, started_at, mode, verdict, filters
    from sync_runs
    where started_at > current_timestamp - interval 192 hour
),
current_accounts as (
    select account_id
    from recent
    where
        mode = 'full'
        and verdict = 'complete'
        and filters is null
        and date_diff('second', started_at, current_timestamp) >= -300
    group by account_id
),
-- Grouped, so that MySQL does not join the runs first.
behind as (
    select known.account_id
    from known
    left join current_accounts on current_accounts.account_id = known.account_id
    where current_accounts.account_id is null
    group by known.account_id
),
runs as (
    select recent.account_id, recent.started_at, recent.mode, recent.verdict, recent.filters
    from recent
    join current_accounts on current_accounts.account_id = recent.account_id
    union all
    select sync_runs.account_id, sync_runs.started_at, sync_runs.mode, sync_runs.verdict, sync_runs.filters
    from behind
    join sync_runs on sync_runs.account_id = behind.account_id
),
complete as (
    select
        account_id,
        max(started_at) as complete_at,
        max(case when mode = 'full' then started_at end) as full_at
    from runs
    where
        verdict = 'complete'
        and filters is null
        and date_diff('second', started_at, current_timestamp) >= -300
    group by account_id
),
ordered as (
    select
        sync_runs.account_id,
        sync_runs.started_at,
        sync_runs.mode,
        sync_runs.verdict,
        sync_runs.verdict_reason,
        row_number() over (partition by sync_runs.account_id order by sync_runs.sync_id) as nth
    from known
    join sync_runs on sync_runs.account_id = known.account_id and sync_runs.started_at = known.last_run_at
),
since as (
    select
        runs.account_id,
        count(case when runs.verdict = 'partial' then 1 end) as partial_since,
        count(case when runs.verdict not in ('complete', 'partial') then 1 end) as failed_since,
        count(case when runs.verdict = 'complete' and runs.filters is not null then 1 end) as filtered_since
    from runs
    left join complete on complete.account_id = runs.account_id
    where complete.complete_at is null or runs.started_at > complete.complete_at
    group by runs.account_id
),
fleet as (
    select
        account_id,
        count(case when deleted_at is null then 1 end) as images,
        max(changed_at) as newest_change_at,
        max(case when deleted_at is null then scan_time end) as newest_scan_time
    from images
    group by account_id
),
accounts as (
    select account_id from fleet
    union
    select account_id from known
)
select
    accounts.account_id,
    complete.complete_at,
    cast(floor(date_diff('second', complete.complete_at, current_timestamp) / 3600.0) as bigint) as data_age_hours,
    complete.full_at,
    cast(floor(date_diff('second', complete.full_at, current_timestamp) / 3600.0) as bigint) as full_age_hours,
    latest.started_at as last_run_at,
    latest.mode as last_run_mode,
    latest.verdict as last_run_verdict,
    latest.verdict_reason as last_run_reason,
    cast(floor(date_diff('second', latest.started_at, current_timestamp) / 3600.0) as bigint) as last_run_hours,
    coalesce(since.partial_since, 0) as partial_since,
    coalesce(since.failed_since, 0) as failed_since,
    coalesce(since.filtered_since, 0) as filtered_since,
    coalesce(fleet.images, 0) as images,
    fleet.newest_change_at,
    fleet.newest_scan_time,
    called.account_name
from accounts
left join complete on complete.account_id = accounts.account_id
left join ordered as latest on latest.account_id = accounts.account_id and latest.nth = 1
left join since on since.account_id = accounts.account_id
left join fleet on fleet.account_id = accounts.account_id
left join named_accounts as called on called.account_id = accounts.account_id
