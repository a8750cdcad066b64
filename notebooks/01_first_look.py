# /// script
# requires-python = ">=3.11"
#
# [tool.marimo.display]
# theme = "system"
# ///
"""A first look at the tables: sync from a sandbox, or open your own warehouse, and ask three questions in SQL."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="TCSS: a first look")


@app.cell
def _():
    import os

    import altair as alt
    import marimo as mo

    from connector.posture.queries import Queries

    return Queries, alt, mo, os


@app.cell
def _(mo):
    mo.md("""
    # A first look

    `TCSS_DESTINATION` and `TCSS_DATASET` name your warehouse; it is opened only to be read. Where they are not set, the
    next cell syncs 500 invented images from a sandbox on this machine into a temporary DuckDB file.

    A DuckDB file has one writer. This notebook keeps the file open until it is shut down, and `tcss sync` fails
    meanwhile (exit code 6; nothing is lost, the next one catches up). So shut it down when you have seen enough, or
    name a copy of the file. Servers know no such limit, and the dashboard opens the file only while it asks.
    """)
    return


@app.cell
def _(Queries, os):
    def demo_warehouse():
        import io
        import tempfile
        from contextlib import redirect_stdout
        from pathlib import Path

        from connector.cli.demo import show

        file = Path(tempfile.mkdtemp(prefix="tcss_notebook_")) / "warehouse.duckdb"
        with redirect_stdout(io.StringIO()):  # the demo has questions of its own
            show(500, file, lambda text: None)
        return f"duckdb:///{file}"

    queries = Queries.open(os.environ.get("TCSS_DESTINATION") or demo_warehouse())
    warehouse = queries.engine
    data = queries.location.dataset
    return data, warehouse


@app.cell
def _(mo):
    mo.md("""
    ## What is there

    Every view, with the question that the view answers; `tcss tables` explains the tables.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    contents = mo.sql(f"select name, meaning from {data}.tcss_views order by name", engine=warehouse)
    return (contents,)


@app.cell
def _(mo):
    mo.md("""
    ## Which images in use are the riskiest?

    The first ten of all accounts. `risk_rank` is the rank in the image's account.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    riskiest = mo.sql(
        f"""
        select risk_rank, image_name, container_cnt, critical_level_vul_cnt, high_level_vul_cnt, scan_time, account_id
        from {data}.images_at_risk
        order by case when virus_cnt > 0 then 1 else 0 end desc, coalesce(critical_level_vul_cnt, 0) desc,
            coalesce(virus_cnt, 0) desc, coalesce(high_level_vul_cnt, 0) desc, coalesce(vul_cnt, 0) desc,
            container_cnt desc, image_id, account_id
        limit 10
        """,
        engine=warehouse,
    )
    return (riskiest,)


@app.cell
def _(mo):
    mo.md("""
    ## Which operating systems do the images run, and how exposed is each?
    """)
    return


@app.cell
def _(data, mo, warehouse):
    systems = mo.sql(
        f"""
        select coalesce(os_family, 'unknown') as os_family, sum(images) as images,
            sum(critical_level_vul_cnt) as critical, sum(high_level_vul_cnt) as high
        from {data}.os_exposure
        group by coalesce(os_family, 'unknown')
        order by critical desc, os_family
        """,
        engine=warehouse,
    )
    return (systems,)


@app.cell
def _(alt, systems):
    alt.Chart(systems.cast({"critical": int})).mark_bar().encode(
        x=alt.X("critical:Q", title="critical vulnerabilities"), y=alt.Y("os_family:N", sort="-x", title=None)
    )
    return


@app.cell
def _(mo):
    mo.md("""
    ## What has changed in the last 24 hours?

    An account has an answer from its second day on.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    changes = mo.sql(
        f"""
        select kind, count(*) as images, sum(critical_change) as critical_change
        from {data}.changes_since_yesterday
        group by kind
        order by kind
        """,
        engine=warehouse,
    )
    return (changes,)


@app.cell
def _(changes, contents, mo, riskiest, systems):
    def told(answers):
        import polars as pl

        with pl.Config(
            tbl_rows=-1,
            tbl_cols=-1,
            tbl_width_chars=140,
            fmt_str_lengths=90,
            tbl_hide_dataframe_shape=True,
            tbl_hide_column_data_types=True,
        ):
            for question, answer in answers.items():
                print(question, answer.with_columns(pl.selectors.decimal().cast(pl.Int64)), sep="\n", end="\n\n")

    if mo.app_meta().mode == "script":  # whoever runs the file as a script sees no cells
        told(
            {
                "What is there?": contents,
                "Which images in use are the riskiest?": riskiest,
                "Which operating systems do the images run, and how exposed is each?": systems,
                "What has changed in the last 24 hours?": changes,
            }
        )
    return


@app.cell
def _(mo):
    mo.md("""
    `02_posture` goes on from here with a dashboard, `03_trust_the_data` asks what the numbers rest
    on, and `04_vulnerabilities` asks which image has which vulnerability.
    """)
    return


if __name__ == "__main__":
    app.run()
