"""Runs the full sweep alone, for comparison with a run over an unchanged fleet."""

import sys

from connector.listing.full import FullSweep
from connector.runs.assembly import client_of, image_list
from connector.settings import Settings


def main(url: str) -> None:
    settings = Settings.load(endpoint=url)
    with client_of(settings) as client:
        images = image_list(settings, client)
        sweep = FullSweep(images, expected=images.first_look())
        shown = sum(len(page.items) for page in sweep.pages())
    if not (sweep.outcome.complete and shown):
        raise SystemExit("not complete")


if __name__ == "__main__":
    main(*sys.argv[1:])
