"""Shortens what dlt logs of a load job that it tries again: one line with the cause, instead of two tracebacks.

What dlt logs of a job that has failed for good is left out, because our error says it. Other pipelines of the process
log as before, and so does `tcss --verbose`.
"""

import logging

from connector import texts
from connector.warehouse.errors import cause_in_words
from connector.warehouse.isolation import is_isolated

log = texts.logger(__name__)

_AGAIN, _FAILED = "Transient exception in job ", "Terminal exception in job "
# What dlt's loader says afterwards of the same job, with the traceback as a text.
_BEGIN, _REPEATED = "Job for ", (" retried in load ", " failed terminally in load ")

# What dlt says, before it raises, of a package with a job that it does not try any more.
_PACKAGE, _LEFT = "Package ", " was not fully loaded. Load job pool is successfully drained"


def put_first(dlt_log: logging.Logger) -> None:
    """Make the filter the first one of dlt's logger."""
    dlt_log.filters[:] = [_FILTER, *(given for given in dlt_log.filters if given is not _FILTER)]


class _OneLine(logging.Filter):
    """A filter of dlt's logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record of a job that is tried again; hide the records that repeat what is said elsewhere."""
        if log.isEnabledFor(logging.DEBUG) or not is_isolated():
            return True
        text = record.getMessage()
        if text.startswith(_AGAIN) and record.exc_info and record.exc_info[1] is not None:
            job = text.removeprefix(_AGAIN).partition(" ")[0]
            record.msg, record.args = f"the load of {job} is tried again: {cause_in_words(record.exc_info[1])}", ()
            record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
            return True
        is_repeated = text.startswith(_BEGIN) and any(word in text for word in _REPEATED)
        is_drained = text.startswith(_PACKAGE) and _LEFT in text
        return not (text.startswith(_FAILED) or is_repeated or is_drained)


_FILTER = _OneLine()
