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
select
    states.account_id,
    aspect,
    state,
    count(*) as images,
    count(case when container_cnt > 0 then 1 end) as images_in_use,
    count(case when settled = false then 1 end) as images_unsettled,
    min(read_at) as oldest_read_at,
    called.account_name
from set_states as states
left join named_accounts as called on called.account_id = states.account_id
group by states.account_id, aspect, state, called.account_name
