"""Defines the command `tcss`: options and exit codes. Each command imports the module with its work when it runs."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import __version__
from connector.cli import codes, dictionary, process
from connector.cli.process import reported as _reported
from connector.cli.report import LOG_FORMAT
from connector.cli.usage import Commands
from connector.texts import Visible

app = typer.Typer(
    name="tcss",
    cls=Commands,
    help="Keeps a SQL warehouse true to the container images that Tencent Container Security Service (TCSS) sees.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

REPORT = Path("tcss_report.html")
"""The file of a report if none was given. No other file has this name, so the next report may replace the file."""


def _setting(name: str, text: str, *flags: str) -> Any:
    """Make an option of a setting. If the option is not given, `connector.settings` looks the setting up as usual."""
    return typer.Option(*flags, help=f"{text} [env var: TCSS_{name.upper()}]")


def _not_empty(param: typer.CallbackParam, value: Any) -> Any:
    """Refuse an empty variable of an option: Click takes it for one that is not set, and `--max-age` would be off."""
    if not value and os.environ.get(str(param.envvar)) == "":
        raise typer.BadParameter("the variable is empty: take it away instead.")
    return value


def _variable(name: str, text: str, *flags: str, **options: Any) -> Any:
    """Make an option that is no setting, and that has a variable of its own."""
    return typer.Option(*flags, envvar=f"TCSS_{name}", callback=_not_empty, help=text, **options)


Destination = Annotated[str | None, _setting("destination", "SQLAlchemy URL. [duckdb:///warehouse.duckdb]")]
Dataset = Annotated[str | None, _setting("dataset", "Schema of the tables. [tcss]")]
Endpoint = Annotated[str | None, _setting("endpoint", "URL of the API, instead of the site's.")]
Site = Annotated[str | None, _setting("site", "intl or cn. [intl]")]
Account = Annotated[str | None, typer.Option(envvar="TCSS_ACCOUNT", help="Name of a configured account.")]
ReadAccount = Annotated[
    str | None,
    typer.Option("--account", envvar="TCSS_ACCOUNT", help="Name of an account in the warehouse, or its id. [all]"),
]
AccountId = Annotated[str | None, _setting("account_id", "Written to account_id; without it STS is asked.")]
AccountIdThere = Annotated[str | None, _setting("account_id", "Id of an account in the warehouse. [all]")]
AllAccounts = Annotated[bool, _variable("ALL_ACCOUNTS", "Every configured account.", "--all-accounts")]
Detail = Annotated[
    list[str] | None, _setting("detail", "vulnerabilities, malware or running; may be repeated.", "--detail")
]
AsJson = Annotated[bool, _variable("JSON", "JSON Lines on stdout, and nothing else.", "--json")]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every request.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    level = logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Visible())  # for the records of other loggers than ours, too
    logging.basicConfig(format=LOG_FORMAT, level=logging.WARNING, handlers=[handler])
    logging.getLogger("connector").setLevel(level)


@app.command(epilog=codes.SYNC)
def sync(
    destination: Destination = None,
    dataset: Dataset = None,
    mode: Annotated[str | None, _setting("mode", "auto, incremental or full. [auto]")] = None,
    endpoint: Endpoint = None,
    site: Site = None,
    filter_: Annotated[list[str] | None, _setting("filters", "NAME=VALUE; may be repeated.", "--filter")] = None,
    account: Account = None,
    all_accounts: AllAccounts = False,
    jobs: Annotated[int | None, _variable("JOBS", "Accounts at once, with --all-accounts.", min=1)] = None,
    account_id: AccountId = None,
    max_delete_share: Annotated[
        float | None, _setting("max_delete_share", "Share of images that may be called gone at once. [0.2]")
    ] = None,
    strict: Annotated[bool | None, _setting("strict", "Rejected values are an error.", "--strict")] = None,
    detail: Detail = None,
    as_json: AsJson = False,
) -> None:
    """Bring the warehouse up to date."""
    from connector.cli.report import Reporter

    reporter = Reporter(as_json=as_json)
    with _reported(reporter):
        from connector.cli import accounts

        given = {
            "destination": destination,
            "dataset": dataset,
            "mode": mode,
            "endpoint": endpoint,
            "site": site,
            "filters": accounts.filters(filter_ or []),
            "account_id": account_id,
            "max_delete_share": max_delete_share,
            "strict": strict,
            "detail": detail or None,
        }
        names = accounts.chosen(account, all_accounts=all_accounts, account_id=account_id)
        raise typer.Exit(accounts.sync_all(names, given, reporter, jobs))


@app.command(epilog=codes.FIND)
def find(
    vulnerability: Annotated[str, typer.Argument(help="A CVE, a PocID, or a name or a part of one.")],
    endpoint: Endpoint = None,
    site: Site = None,
    account: Account = None,
    as_json: AsJson = False,
) -> None:
    """Ask the API now which images have a vulnerability, in what package, and where they run."""
    from connector.cli.report import Reporter

    reporter = Reporter(as_json=as_json)
    with _reported(reporter, unexpected=4):
        from connector.cli.find import find as find_all
        from connector.settings import Settings

        raise typer.Exit(find_all(vulnerability, Settings.load(account, endpoint=endpoint, site=site), reporter))


@app.command(epilog=codes.CHECK)
def check(
    destination: Destination = None,
    dataset: Dataset = None,
    endpoint: Endpoint = None,
    site: Site = None,
    account: Account = None,
    all_accounts: AllAccounts = False,
    account_id: AccountId = None,
    api: Annotated[
        bool, typer.Option("--api", help="Ask the API what it does where its page is silent, instead of the warehouse.")
    ] = False,
    detail: Detail = None,
    as_json: Annotated[
        bool,
        _variable(
            "JSON",
            "One object without ids, names and keys; with --all-accounts a line per account, with both.",
            "--json",
        ),
    ] = False,
) -> None:
    """Say, line by line, whether keys, permission, clock and destination are as a sync needs them."""
    from connector.cli.report import Reporter, say

    with _reported(Reporter(as_json=as_json)):
        from connector.cli import accounts, check
        from connector.settings import Settings

        given: Any = {
            "destination": destination,
            "dataset": dataset,
            "endpoint": endpoint,
            "site": site,
            "account_id": account_id,
            "detail": detail or None,
        }
        if all_accounts:
            from connector.cli.checks import check_all

            names = accounts.chosen(account, all_accounts=True, account_id=account_id, api=api)
            raise typer.Exit(check_all(names, given, as_json=as_json))
        settings = Settings.load(account, **given)
        report = check.check(settings, (lambda _: None) if as_json else say, api=api, account=account)
        if as_json:
            typer.echo(report.to_json())
            if report.failures:
                say(*report.failures, file=sys.stderr)
        raise typer.Exit(report.code)


@app.command(epilog=codes.STATUS)
def status(
    destination: Destination = None,
    dataset: Dataset = None,
    account: ReadAccount = None,
    account_id: AccountIdThere = None,
    max_age: Annotated[
        str | None, _variable("MAX_AGE", "Exit with 5 if an account's data is older, such as 26h or 90m.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Runs to show.")] = 10,
    accounts: Annotated[bool, typer.Option("--accounts", help="Show the accounts alone, and no runs.")] = False,
    as_json: Annotated[
        bool, _variable("JSON", "A line of JSON per run, or with --accounts per account.", "--json")
    ] = False,
) -> None:
    """Show the last runs, and at a glance how each account stands and how old its data is."""
    from connector.cli.report import Reporter

    reporter = Reporter(as_json=as_json)
    with _reported(reporter):
        from connector.cli.status import show
        from connector.settings import Settings

        settings = Settings.of_warehouse(account, destination=destination, dataset=dataset, account_id=account_id)
        raise typer.Exit(show(settings, reporter, max_age=max_age, limit=0 if accounts else limit))


@app.command(epilog=codes.PRUNE)
def prune(
    older_than: Annotated[str, typer.Option(help="Age of what goes, such as 400d.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    destination: Destination = None,
    dataset: Dataset = None,
    account: ReadAccount = None,
    account_id: AccountIdThere = None,
    as_json: AsJson = False,
) -> None:
    """Delete old versions of images, scans, runs and loads. The views stay right from the cut on."""
    from connector.cli.report import Reporter

    reporter = Reporter(as_json=as_json)
    with _reported(reporter):
        from connector.cli.prune import prune as prune_all
        from connector.settings import Settings

        settings = Settings.of_warehouse(account, destination=destination, dataset=dataset, account_id=account_id)
        raise typer.Exit(prune_all(settings, reporter, older_than=older_than, dry_run=dry_run))


@app.command(epilog=codes.TABLES)
def tables(
    form: Annotated[
        dictionary.Form, typer.Option("--format", help="dbt prints a sources.yml for the destination and dataset.")
    ] = dictionary.Form.MARKDOWN,
    destination: Destination = None,
    dataset: Dataset = None,
) -> None:
    """Print the data dictionary: every table and column."""
    from connector.cli.report import Reporter

    with _reported(Reporter(as_json=False)):
        typer.echo(dictionary.text(form, destination, dataset))


@app.command(epilog=codes.VIEWS)
def views(
    destination: Destination = None,
    dataset: Dataset = None,
    account: Account = None,
    recount: Annotated[
        bool, typer.Option("--recount", help="Also count the history again, from which posture_by_day adds up.")
    ] = False,
) -> None:
    """Make the views again, and the descriptions of tables and columns; and list them with their questions."""
    from connector.cli.report import Reporter, say

    with _reported(Reporter(as_json=False)):
        from connector.cli.publish import publish
        from connector.settings import Settings

        publish(Settings.load(account, destination=destination, dataset=dataset), say, recount=recount)


@app.command(epilog=codes.DASHBOARD)
def dashboard(
    destination: Destination = None,
    dataset: Dataset = None,
    account: ReadAccount = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
) -> None:
    """Serve the fleet's posture as a page on a loopback address. Needs tcss-connector[notebooks]."""
    from connector.cli.report import Reporter, say

    with _reported(Reporter(as_json=False)):
        from connector.posture.queries import Queries
        from connector.posture.server import serve

        queries = Queries.open(destination, dataset, account)
        queries.of_account()
        serve(queries, port, say)
    process.end(0)


@app.command(epilog=codes.REPORT)
def report(
    output: Annotated[
        Path, typer.Option(show_default=False, help=f"HTML file to write; an existing one is replaced. [{REPORT}]")
    ] = REPORT,
    destination: Destination = None,
    dataset: Dataset = None,
    account: ReadAccount = None,
) -> None:
    """Write the fleet's posture as one HTML file that loads nothing from anywhere."""
    from connector.cli.report import Reporter, say

    with _reported(Reporter(as_json=False)):
        from connector.posture.report import write

        write(destination, dataset, output, account)
        say(f"wrote {output}")


@app.command(epilog=codes.DEMO)
def demo(
    images: Annotated[int, typer.Option(min=1, help="Images of the demo fleet.")] = 2000,
    output: Annotated[
        Path | None, typer.Option(help="New DuckDB file; without it, tcss_demo.duckdb, which a demo replaces.")
    ] = None,
) -> None:
    """Sync an invented fleet from a local sandbox into DuckDB, change it, sync again, and ask the first questions."""
    from connector.cli.report import Reporter, say

    with _reported(Reporter(as_json=False)):
        from connector.cli.demo import show

        show(images, output, say)


@app.command(epilog=codes.SANDBOX)
def sandbox(
    images: Annotated[int, typer.Option(min=0, help="Images of the fleet.")] = 20_000,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    rate: Annotated[int, typer.Option(min=0, help="Requests per second and action; 0 for any number.")] = 20,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that an answer takes.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the invented images.")] = 1,
    change: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=NUMBER, such as rescan=20; may be repeated. Changes a running sandbox's fleet instead."
        ),
    ] = None,
    endpoint: Annotated[str | None, _setting("endpoint", "URL of the running sandbox, for --change.")] = None,
) -> None:
    """Serve an invented fleet on a loopback address, as the API would; or change the fleet of a running sandbox."""
    from connector.cli import fleet
    from connector.cli.report import Reporter, say

    with _reported(Reporter(as_json=False)):
        if change:
            fleet.change(endpoint, change, say)
        else:
            fleet.serve(images, port=port, rate=rate, latency=latency, seed=seed)


def main() -> None:
    """Run the command. Answers to a shell's completion are printed unchanged, because fish needs their tabs."""
    if "_TCSS_COMPLETE" in os.environ:
        app()
    process.run(app)
