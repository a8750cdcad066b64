-- Which accounts are there, and what is each called?
--
-- One row per account that has runs. A name is that of the configuration. An account that was renamed there has its new
-- name from its next run on, in the rows of all views. Rows of tables have the account_id, which stays.
--
-- account_name: the name in the newest run that has a name; null: no run has a name
-- first_sync_at: start of the first run, of those that were not pruned
-- last_sync_at: start of the newest run, whatever its verdict
with spans as (
    select
        account_id,
        min(started_at) as first_sync_at,
        max(started_at) as last_sync_at
    from sync_runs
    group by account_id
)
select
    spans.account_id,
    called.account_name,
    spans.first_sync_at,
    spans.last_sync_at
from spans
left join named_accounts as called on called.account_id = spans.account_id
