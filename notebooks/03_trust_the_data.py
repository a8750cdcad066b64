# /// script
# requires-python = ">=3.11"
#
# [tool.marimo.display]
# theme = "system"
# ///
"""What the numbers rest on: runs and verdicts, freshness, what was repaired or rejected, and what a run cannot see."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="TCSS: can I trust the data?")


@app.cell
def _():
    import marimo as mo

    from connector.posture.queries import Queries

    # TCSS_DESTINATION and TCSS_DATASET say which warehouse.
    queries = Queries.open()
    warehouse = queries.engine
    data = queries.location.dataset
    return data, mo, warehouse


@app.cell
def _(mo):
    mo.md("""
    # Can I trust the data?

    A run is `complete` when every image that was listed throughout its sweep is in the warehouse, if the server sorts
    as its own values show. `partial` loads what it saw and says what is missing. Times are UTC.

    A DuckDB file has one writer. This notebook keeps the file open until it is shut down, and `tcss sync` fails
    meanwhile (exit code 6; nothing is lost, the next one catches up). So shut it down when you have seen enough, or
    name a copy of the file. Servers know no such limit, and the dashboard opens the file only while it asks.

    ## How old is it?
    """)
    return


@app.cell
def _(data, mo, warehouse):
    freshness = mo.sql(f"select * from {data}.data_freshness order by account_id", engine=warehouse)
    return (freshness,)


@app.cell
def _(mo):
    mo.md("""
    ## What did the runs do, and how did each end?

    The newest 50 runs, here and below.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    runs = mo.sql(
        f"""
        select started_at, account_id, mode, mode_reason, verdict, verdict_reason, images_listed, images_new,
            images_changed, images_gone, images_returned, requests, throttled
        from {data}.sync_runs
        order by started_at desc
        limit 50
        """,
        engine=warehouse,
    )
    return (runs,)


@app.cell
def _(mo):
    mo.md("""
    ## What was repaired?

    `seam_repairs` counts how often the list moved while it was read, and a page was read again for it; `passes` how
    often the list was read from its start; `order_proven` whether the server kept the order that it was asked for.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    repairs = mo.sql(
        f"""
        select started_at, account_id, verdict, passes, order_proven, seam_repairs, retries, throttled
        from {data}.sync_runs
        where seam_repairs > 0 or passes > 1 or retries > 0 or order_proven = false
        order by started_at desc
        limit 50
        """,
        engine=warehouse,
    )
    return (repairs,)


@app.cell
def _(mo):
    mo.md("""
    ## What was rejected?

    A value that cannot be read as its column's type is null in `images`, and kept here as it was received. The 50 most
    frequent reasons.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    rejected = mo.sql(
        f"""
        select column_name, reason, count(*) as reject_count, min(image_id) as example_image_id,
            min(first_seen_at) as first_seen_at
        from {data}.rejected_values
        group by column_name, reason
        order by reject_count desc, column_name, reason
        limit 50
        """,
        engine=warehouse,
    )
    return (rejected,)


@app.cell
def _(mo):
    mo.md("""
    ## What can an incremental run not see?

    A deletion, and a change that is not a scan (such as container counts), wait for the next full sweep. Each full
    sweep counts what the incremental runs before it should have found and did not (`missed_by_incremental`);
    `images_changed` and `images_gone` of a full sweep are what had waited for it.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    unseen = mo.sql(
        f"""
        select started_at, account_id, missed_by_incremental, images_changed, images_gone
        from {data}.sync_runs
        where mode = 'full' and verdict = 'complete' and filters is null
        order by started_at desc
        limit 50
        """,
        engine=warehouse,
    )
    return (unseen,)


if __name__ == "__main__":
    app.run()
