"""Makes one run of one account: what is known, the sweep, the difference, and the row with the run's verdict.

This wing brings the four wings below together: `api` asks, `listing` reads, `images` parses, `warehouse` keeps. No
other wing knows more than one of the four, except for `settings` above them.

run          one sync of one account: a row in `sync_runs`. Nothing else is called a run.
identity     which run it is: account, id, start.
policy       what the user asks for; history is what earlier runs say; the mode follows from both.
observation  the sweep and what it shows, up to the rows to write.
known        the account's images in the warehouse, in memory for as long as a sweep takes.
diff         what a sweep shows against what is known: new, changed, unchanged, returned, gone.
twins        rows of one answer with one ImageID: which of them is the image.
audit        whether incremental sweeps have found what they should; null where there was nothing to judge.
freshness    how old the data of a warehouse is.
gone         images that a sweep does not show. Two runs look an image up before it is called gone.
spool        rows on their way to the warehouse, in files.
held         what the warehouse holds of an account, as the observation asks for it (`warehouse.inventory`).
"""
