-- What each account is called, where no table says so: the name in its newest run that has a name.
--
-- A sync and `connector.tcss()` make the table, which has the same columns.
select named.account_id, max(named.account_name) as account_name
from sync_runs as named
join (
    select account_id, max(started_at) as named_at
    from sync_runs
    where account_name is not null
    group by account_id
) as newest
    on newest.account_id = named.account_id
    and newest.named_at = named.started_at
where named.account_name is not null
group by named.account_id
