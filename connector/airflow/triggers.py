"""Defines the trigger of the sensor, which waits in Airflow's triggerer and holds no worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from connector.airflow.freshness import Wanted
from connector.airflow.hook import failing_fast
from connector.errors import TcssError


class TcssFreshnessTrigger(BaseTrigger):
    """Fires once the data that `TcssFreshnessSensor` waits for is fresh, or cannot be looked at.

    The event is `{"ages": {...}}`, or `{"error": text, "retry": whether a later attempt may succeed}`.

    :param poke_interval: seconds between two looks at the warehouse.
    :param wanted: the fields of `connector.airflow.freshness.Wanted`.
    """

    def __init__(self, *, poke_interval: float, **wanted: Any) -> None:
        super().__init__()
        self.poke_interval = poke_interval
        self.wanted = Wanted(**wanted)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, from which Airflow makes the trigger in its triggerer."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"poke_interval": self.poke_interval, **self.wanted.as_json()}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the warehouse until the data is fresh. Each look has a thread, as drivers of databases block."""
        while True:
            try:
                with failing_fast():
                    ages = await asyncio.to_thread(self.wanted.ages, self.log.info)
            except (TcssError, AirflowFailException) as error:
                yield TriggerEvent({"error": str(error), "retry": isinstance(error, TcssError)})
                return
            if ages is not None:
                yield TriggerEvent({"ages": ages})
                return
            await asyncio.sleep(self.poke_interval)
