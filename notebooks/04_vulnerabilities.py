# /// script
# requires-python = ">=3.11"
#
# [tool.marimo.display]
# theme = "system"
# ///
"""Which running images have a vulnerability, in what package, fixed in what version, since when, and where they run."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="TCSS: vulnerabilities")


@app.cell
def _():
    import os

    import marimo as mo

    from connector.posture.queries import Queries

    return Queries, mo, os


@app.cell
def _(mo):
    mo.md("""
    # Vulnerabilities

    `TCSS_DESTINATION` and `TCSS_DATASET` name your warehouse; it is opened only to be read. It has details if
    `tcss sync --detail vulnerabilities --detail running` filled it. Where they are not set, the next cell syncs 100
    invented images with their details from a sandbox on this machine into a temporary DuckDB file.

    A DuckDB file has one writer. This notebook keeps the file open until it is shut down, and `tcss sync` fails
    meanwhile (exit code 6; nothing is lost, the next one catches up). So shut it down when you have seen enough, or
    name a copy of the file.
    """)
    return


@app.cell
def _(Queries, mo, os):
    def demo_warehouse():
        import tempfile
        from pathlib import Path

        import connector
        from connector.sandbox import Fleet, Sandbox, wall_clock
        from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY

        url = f"duckdb:///{Path(tempfile.mkdtemp(prefix='tcss_notebook_')) / 'warehouse.duckdb'}"
        with Sandbox(Fleet.seeded(100, clock=wall_clock), rate=None) as sandbox:
            connector.sync(
                destination=url,
                dataset="tcss",
                endpoint=sandbox.url,
                credentials={"secret_id": DEFAULT_ID, "secret_key": DEFAULT_KEY},
                requests_per_second=1000,
                detail=["vulnerabilities", "running"],
            )
        return url

    queries = Queries.open(os.environ.get("TCSS_DESTINATION") or demo_warehouse())
    has_details = queries.has_details
    if not has_details:
        message = f"There are no details in {queries}: run `tcss sync --detail vulnerabilities --detail running`."
        if mo.app_meta().mode == "script":
            print(message)
    mo.stop(not has_details, has_details or mo.md(message))
    warehouse = queries.engine
    data = queries.location.dataset
    return data, warehouse


@app.cell
def _(mo):
    mo.md("""
    ## Of how many images are the vulnerabilities known?

    What the other answers say of images that are not current is old, or nothing: an image without findings is not clean
    for that.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    coverage = mo.sql(
        f"""
        select account_id, state, images, images_in_use, oldest_read_at
        from {data}.detail_coverage
        where aspect = 'vulnerabilities'
        order by account_id, state
        """,
        engine=warehouse,
    )
    return (coverage,)


@app.cell
def _(mo):
    mo.md("""
    ## What is exploitable and running?

    The first ten, by containers.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    exploitable = mo.sql(
        f"""
        select vul_id, severity, component as package, fixed_versions as fixed_in,
            count(distinct image_id) as images, count(distinct container_id) as containers
        from {data}.where_vulnerable
        where has_exploit = true or is_known_exploited = true or is_emergency = true
        group by vul_id, severity, component, fixed_versions
        order by containers desc, images desc, vul_id, severity, component, fixed_versions
        limit 10
        """,
        engine=warehouse,
    )
    return (exploitable,)


@app.cell
def _(exploitable, mo):
    wanted = mo.ui.text(
        label="Vulnerability", value=exploitable["vul_id"][0] if len(exploitable) else "", placeholder="CVE-2021-44228"
    )
    wanted
    return (wanted,)


@app.cell
def _(wanted):
    # As SQL, since `mo.sql` has no parameters.
    vulnerability = "'" + wanted.value.strip().upper().replace("'", "''") + "'"
    return (vulnerability,)


@app.cell
def _(mo):
    mo.md("""
    ## Which running images have it, in what package, fixed in what version, since when?

    Where `since_is_known` is false, the image may have had it before: see `docs/tables.md`.
    """)
    return


@app.cell
def _(data, mo, vulnerability, warehouse):
    affected = mo.sql(
        f"""
        select image_name, component as package, version, fixed_versions as fixed_in, first_found_at, since_is_known,
            container_cnt, scan_time
        from {data}.current_findings
        where upper(vul_id) = {vulnerability} and container_cnt > 0
        order by container_cnt desc, image_id, finding_id
        """,
        engine=warehouse,
    )
    return (affected,)


@app.cell
def _(mo):
    mo.md("""
    ## Where does it run?

    The first 20 of `rows_in_all`. A row without a container: the image is in use, and no list of containers was read
    that has one of it.
    """)
    return


@app.cell
def _(data, mo, vulnerability, warehouse):
    places = mo.sql(
        f"""
        select host_name, host_ip, cluster_name, pod_name, container_name, image_name, count(*) over () as rows_in_all
        from {data}.where_vulnerable
        where upper(vul_id) = {vulnerability}
        order by host_name, pod_name, container_name, image_name, finding_id
        limit 20
        """,
        engine=warehouse,
    )
    return (places,)


@app.cell
def _(mo):
    mo.md("""
    ## Which upgrade removes most?

    The first ten of all accounts. `upgrade_rank` is the rank in the account.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    upgrades = mo.sql(
        f"""
        select upgrade_rank, component as package, version, fixed_versions as fixed_in, findings, critical_findings,
            high_findings, images, containers, account_id
        from {data}.upgrades
        order by critical_findings + high_findings desc, findings desc, containers desc, component, version,
            fixed_versions, account_id
        limit 10
        """,
        engine=warehouse,
    )
    return (upgrades,)


@app.cell
def _(mo):
    mo.md("""
    ## How long does a repository take to fix?

    The first ten, those of which most is open. What was there at the account's first sync is counted, and in no mean.
    """)
    return


@app.cell
def _(data, mo, warehouse):
    times = mo.sql(
        f"""
        select image_repository, severity, still_open, fixed, start_unknown, fixed_and_known, mean_days_to_fix
        from {data}.time_to_fix
        where severity in ('CRITICAL', 'HIGH')
        order by still_open desc, account_id, image_repository, severity
        limit 10
        """,
        engine=warehouse,
    )
    return (times,)


@app.cell
def _(affected, coverage, exploitable, mo, places, times, upgrades, wanted):
    def told(answers):
        import polars as pl

        with pl.Config(
            tbl_rows=-1,
            tbl_cols=-1,
            tbl_width_chars=180,
            fmt_str_lengths=150,
            tbl_hide_dataframe_shape=True,
            tbl_hide_column_data_types=True,
        ):
            for question, answer in answers.items():
                print(question, answer.with_columns(pl.selectors.decimal().cast(pl.Int64)), sep="\n", end="\n\n")

    if mo.app_meta().mode == "script":  # whoever runs the file as a script sees no cells
        told(
            {
                "Of how many images are the vulnerabilities known?": coverage,
                "What is exploitable and running?": exploitable,
                f"Which running images have {wanted.value}?": affected,
                "Where does it run?": places,
                "Which upgrade removes most?": upgrades,
                "How long does a repository take to fix?": times,
            }
        )
    return


if __name__ == "__main__":
    app.run()
