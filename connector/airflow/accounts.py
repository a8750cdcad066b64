"""Makes a task and a pool for each of many accounts.

`python -m connector.airflow.accounts CONNECTION...` prints the pools for `airflow pools import`. Airflow never starts a
task whose pool does not exist.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from connector.airflow.operators import TcssSyncOperator


def sync_accounts(tcss_conn_ids: Iterable[str], *, slots: int = 1, **operator: Any) -> list[TcssSyncOperator]:
    """Make a task `sync_<connection>` for each account, in the pool with the connection's name. Called in a DAG.

    Tasks are generated, because all instances of one mapped task share a pool.

    :param tcss_conn_ids: connections of type ``tcss``, one per account.
    :param slots: of each pool. The slots share the account's requests per second; with more than one slot, several DAGs
        can read an account at once, into different datasets (an account has one sync at a time per dataset).
    :param operator: further arguments of `TcssSyncOperator`.
    """
    return [
        TcssSyncOperator(
            **{"task_id": f"sync_{conn_id}", "tcss_conn_id": conn_id, "pool": conn_id, "rate_shares": slots, **operator}
        )
        for conn_id in tcss_conn_ids
    ]


def pools(tcss_conn_ids: Iterable[str], *, slots: int = 1) -> dict[str, dict[str, Any]]:
    """Return the pools of `sync_accounts`, as `airflow pools import` reads them."""
    return {
        conn_id: {"slots": slots, "description": f"Syncs of the TCSS account of {conn_id}", "include_deferred": False}
        for conn_id in tcss_conn_ids
    }


def main() -> None:
    """Print the pools as JSON."""
    parser = argparse.ArgumentParser(prog="python -m connector.airflow.accounts", description=main.__doc__)
    parser.add_argument("tcss_conn_ids", nargs="+", metavar="CONNECTION")
    parser.add_argument("--slots", type=int, default=1, help="Slots of each pool. [1]")
    given = parser.parse_args()
    print(json.dumps(pools(given.tcss_conn_ids, slots=given.slots), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
