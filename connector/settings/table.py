"""Lists the settings: how each is read, and what it means in one sentence. `docs/settings.md` is made of this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import ConfigurationError
from connector.settings import values
from connector.settings.values import Read
from connector.tables import ASPECTS, RUNNING_DETAIL

KEYS = ("secret_id", "secret_key", "token")  # of credentials
SECRET = ("secret_key", "token")
MODES = ("auto", "incremental", "full")
SITES = ("intl", "cn")
DETAILS = (*ASPECTS, RUNNING_DETAIL)
ELSEWHERE: Mapping[str, str] = {"filter": "filters"}  # as the option is called: the setting


@dataclass(frozen=True)
class Setting:
    """A setting. `read` turns a value of any place into the setting's type; `meaning` is a sentence for users."""

    read: Read
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    "destination": Setting(values.text, "The warehouse: a SQLAlchemy URL, or the name of a dlt destination."),
    "dataset": Setting(
        values.text, "The schema of the tables; without it `tcss`, in SQLite `main`, in MySQL the URL's database."
    ),
    "strict": Setting(values.flag, "Whether values that could not be read end a sync with exit code 5."),
    "credentials": Setting(
        values.mapping, "The keys `secret_id`, `secret_key` and `token`; without them the usual places are searched."
    ),
    "role_arn": Setting(
        values.text, "A role of the account, which the keys assume. In it `{account_id}` stands for the account's id."
    ),
    "site": Setting(values.one_of(*SITES), "The site of the account: `intl` (tencentcloud.com) or `cn`."),
    "endpoint": Setting(values.text, "The URL of the API, in place of the site's."),
    "language": Setting(values.language, "The language of the texts that the API gives: `en-US` or `zh-CN`."),
    "requests_per_second": Setting(values.number, "How many requests are sent in a second at most."),
    "in_flight": Setting(
        values.whole, "How many requests are under way at once; without it as many as the latency calls for."
    ),
    "patience": Setting(values.seconds, "For how many seconds one call is tried again, waiting included."),
    "connect_timeout": Setting(values.seconds, "How many seconds a connection may take to be made."),
    "read_timeout": Setting(
        values.seconds, "How many seconds the server may take to answer; with `connect_timeout` they bound the attempt."
    ),
    "max_answer_bytes": Setting(
        values.whole,
        "How many bytes one answer may have, decompressed. A page that has more is asked for again in smaller pages.",
    ),
    "metadata": Setting(values.flag, "Whether the role of the CVM instance is looked for."),
    "naive_time_zone": Setting(values.text, "The time zone of times that state none."),
    "mode": Setting(values.one_of(*MODES), "The kind of sweep: `auto`, `incremental` or `full`."),
    "filters": Setting(
        values.filters, "The images that are read, by filters of the API: JSON, or `NAME=VALUE` with blanks between."
    ),
    "lookback": Setting(values.seconds, "How many seconds below the watermark an incremental sweep reads again."),
    "full_every": Setting(values.seconds, "After how many seconds the mode `auto` makes a full sweep again."),
    "initial_scan_time": Setting(
        values.text, "The oldest ScanTime that the first incremental sweep reads; without an offset it is UTC."
    ),
    "max_delete_share": Setting(values.number, "The share of the images that one sync may call gone, from 0 to 1."),
    "confirm_gone_after": Setting(
        values.seconds, "How many seconds lie between the two look-ups that call an image gone; 0: the first one does."
    ),
    "account_id": Setting(values.text, "The id in the column `account_id`; without it STS is asked."),
    "detail": Setting(
        values.some_of(*DETAILS),
        "What is read behind the counts of each image, with commas between: `vulnerabilities`, `malware`, `running`.",
    ),
    "detail_patience": Setting(
        values.seconds, "After how many seconds no more images are begun for a detail; the next run goes on."
    ),
}


def details(value: Any) -> tuple[str, ...]:
    """Read names of details as the setting `detail` does, each once. Raises ConfigurationError for another word."""
    try:
        return tuple(dict.fromkeys(SETTINGS["detail"].read(value)))
    except ValueError as error:
        raise ConfigurationError(f"detail {error}", hint=f"Details: {', '.join(DETAILS)}.") from None
