"""The full sweep and nothing else: what a run over an unchanged fleet is compared with."""

import sys

from connector.listing.incremental import FullSweep
from connector.settings import Settings


def main(url: str) -> None:
    settings = Settings.load(endpoint=url)
    with settings.client() as client:
        reading = settings.reading(client)
        sweep = FullSweep(reading, expected=reading.first_look())
        images = sum(len(page.items) for page in sweep.pages())
    if not (sweep.outcome.complete and images):
        raise SystemExit("not complete")


if __name__ == "__main__":
    main(*sys.argv[1:])
