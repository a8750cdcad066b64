-- Which accounts are there, and what is each called?
--
-- One row per account that has runs. A name is that of the configuration. An account that was renamed there has its new
-- name from its next run on. Rows of tables and views have the account_id, which stays.
--
-- account_name: the name in the newest run that has a name; null: no run has a name
-- first_sync_at: start of the first run, of those that were not pruned
-- last_sync_at: start of the newest run, whatever its verdict
with named as (
    select
        account_id,
        account_name,
        min(started_at) as first_sync_at,
        max(started_at) as last_sync_at
    from sync_runs
    group by account_id, account_name
),
newest as (
    select
        account_id,
        max(case when account_name is not null then last_sync_at end) as named_at,
        min(first_sync_at) as first_sync_at,
        max(last_sync_at) as last_sync_at
    from named
    group by account_id
)
select
    newest.account_id,
    max(named.account_name) as account_name,
    max(newest.first_sync_at) as first_sync_at,
    max(newest.last_sync_at) as last_sync_at
from newest
left join named
    on named.account_id = newest.account_id
    and named.account_name is not null
    and named.last_sync_at = newest.named_at
group by newest.account_id
