"""Runs `tcss check`: tries everything that a sync needs, one after the other, with a line per check.

With `--api` the command surveys what the API does where its documentation is silent, instead of testing the
destination.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from connector import __version__
from connector.api.client import Client
from connector.cli import places
from connector.cli.details import detail_checks
from connector.errors import TcssError, UnavailableError
from connector.listing.survey.questions import Survey
from connector.runs.assembly import ACTION, client_of, image_list
from connector.settings import Settings
from connector.tables import IMAGES
from connector.warehouse.inventory import Inventory
from connector.warehouse.locations import locate
from connector.warehouse.locks import prove
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.probes import probe
from connector.warehouse.roundtrip import TEXTS, round_trip
from connector.warehouse.workdirs import workdir

Check = tuple[str, Callable[[], str]]

LICENCES = {0: "not bought; a trial is possible", 1: "not bought", 2: "trial", 3: "Pro", 4: "Pro, expired"}
TOLERANCE = 300  # seconds of clock skew that the API allows
PATIENCE = 20.0  # seconds for a call of the survey; short, because most refusals are findings
FIELDS = tuple(dict.fromkeys(column.source for column in IMAGES.columns if column.source))


@dataclass
class Report:
    """Collects the results of the checks, and the findings; `say` gets each line at once. `texts` are those of the
    checks that passed.

    `code` is the exit code of the first check that failed, or 0. A finding is never a failure.
    """

    say: Callable[[str], None]
    site: str
    account_id: str | None = None
    code: int = 0
    failures: list[str] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    survey: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None

    def passed(self, name: str, text: str) -> None:
        self.checks[name], self.texts[name] = {"ok": True}, text
        self.say(f"ok      {name}: {text}")

    def failed(self, name: str, error: TcssError) -> None:
        self.checks[name] = {"ok": False, "class": type(error).__name__, "code": error.code}
        self.code = self.code or error.exit_code
        self.failures.append(f"FAILED  {name}: {error}")
        self.say(self.failures[-1])

    def to_json(self) -> str:
        """Return the report as a JSON object without ids, names, keys and hosts."""
        facts = {"connector": __version__, "site": self.site, "checks": self.checks}
        if self.survey is not None:
            facts["api"] = self.survey
        if self.settings is not None:
            facts["settings"] = self.settings
        return json.dumps(facts, indent=2)


def check(settings: Settings, say: Callable[[str], None], *, api: bool = False, account: str | None = None) -> Report:
    """Print where the account's settings are from, run every check and print its result. With `api`, run only the
    checks of the API, and then the survey.

    A check is left out if an earlier check that it needs has failed. The actions of the details do not need each other.
    """
    report = Report(say, settings.site)
    if not api:
        for line in places.lines(settings, account):
            say(line)
        report.settings = places.nameless(settings, account)
    if api:
        settings = copy.copy(settings)
        settings.patience = min(settings.patience, PATIENCE)
    with client_of(settings) as client:
        fine = _access(settings, client, report)
        if not api:
            _run(_destination(settings), report)
        elif fine:
            _survey(settings, client, report)
    return report


def check_api(settings: Settings, report: Report) -> None:
    """Run the checks of the API alone. Raises ConfigurationError where no client can be made."""
    with client_of(settings) as client:
        _access(settings, client, report)
        if "signature" in report.texts:
            report.account_id = client.account_id()


def check_destination(settings: Settings, report: Report) -> None:
    """Run the checks of the warehouse alone."""
    _run(_destination(settings), report)


def _access(settings: Settings, client: Client, report: Report) -> bool:
    """Run the checks of the API, and of the actions of the details; return whether a sync may list images."""
    fine = _run(_api(client), report)
    if fine:
        for one in detail_checks(settings.detail or (), client):
            _run([one], report)
    return fine


def _run(checks: Iterable[Check], report: Report) -> bool:
    """Run the checks until one fails; return whether all of them passed."""
    for name, run in checks:
        try:
            report.passed(name, run())
        except TcssError as error:
            report.failed(name, error)
            return False
    return True


def _survey(settings: Settings, client: Client, report: Report) -> None:
    survey = Survey(image_list(settings, client), FIELDS)
    findings: dict[str, Any] = {}
    try:
        for finding in survey.findings():
            findings[finding.question.name] = finding.as_json()
            report.say(f"found   {finding}")
        report.passed("survey", f"{survey.requests} requests, {survey.images} different images seen")
    except TcssError as error:
        report.failed("survey", error)
    report.survey = {"action": ACTION, "requests": survey.requests, "images": survey.images, "findings": findings}


def _api(client: Client) -> Iterator[Check]:
    yield "keys", client.origin
    yield "signature", lambda: f"accepted for account {client.account_id()}"
    yield "clock", lambda: f"{round(client.skew or 0.0):+} s from the server's, {TOLERANCE} s are allowed"
    yield "permission", lambda: _images(client)
    yield "licence", lambda: _licence(client)


def _images(client: Client) -> str:
    answer = client.call(ACTION, {"Limit": 1, "Offset": 0})
    return f"tcss:{ACTION} granted; {answer.response.get('TotalCount')} images in the list"


def _licence(client: Client) -> str:
    try:
        state = client.call("DescribePurchaseStateInfo", {}).response.get("State")
    except UnavailableError:
        raise
    except TcssError as error:
        return f"cannot be told ({error.code}); a sync does not need it"
    return (
        LICENCES.get(state, f"state {state}, which is not documented") if isinstance(state, int) else "cannot be told"
    )


def _destination(settings: Settings) -> Iterator[Check]:
    yield "destination", lambda: _named(settings)
    yield "writable", lambda: _writable(settings)
    yield "texts", lambda: _round_trip(settings)


def _named(settings: Settings) -> str:
    location = locate(settings.destination, settings.dataset)
    note = "" if location.backend.tested else " (of a kind that the connector's tests have never reached)"
    return f"{location}{note}"


def _writable(settings: Settings) -> str:
    location = locate(settings.destination, settings.dataset)
    missing = probe(location)
    prove(location)
    with workdir() as directory:
        Inventory(location, open_pipeline(location, "check", directory)).verify()
    return f"yes; {missing} will be created" if missing else "yes"


def _round_trip(settings: Settings) -> str:
    round_trip(locate(settings.destination, settings.dataset))
    return f"{len(TEXTS)} difficult ones came back as they were written"
