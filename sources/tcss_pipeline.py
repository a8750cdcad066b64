"""Loads container images of Tencent Container Security Service by pipelines. Each function can be run as it is."""

from typing import Any

import dlt
import pyarrow as pa
from tcss import make_views, sync, tcss


def load_images() -> Any:
    """Load all images the first time, and later what is new; with the views for analysts."""
    pipeline = dlt.pipeline("tcss", destination="duckdb", dataset_name="tcss_images")
    info = pipeline.run(tcss())
    make_views(pipeline)
    return info


def load_sample() -> Any:
    """Load about 1,000 images, for a try: the run is `partial`, and a later run loads the rest."""
    pipeline = dlt.pipeline("tcss_sample", destination="duckdb", dataset_name="tcss_images", dev_mode=True)
    return pipeline.run(tcss().add_limit(1))


def load_anew() -> Any:
    """Load everything again: dlt drops the tables, and the source loads as into an empty warehouse."""
    pipeline = dlt.pipeline("tcss", destination="duckdb", dataset_name="tcss_images")
    return pipeline.run(tcss(), refresh="drop_sources")


def load_masked() -> Any:
    """Load the images without names. A map gets batches of Arrow, and has to be the same for images and history."""

    def mask(batch: Any) -> Any:
        index = batch.schema.get_field_index("image_name")
        return batch.set_column(index, batch.schema.field(index), pa.array(["***"] * len(batch), pa.string()))

    source = tcss()
    for name in ("images", "image_history"):
        source.resources[name].add_map(mask)
    pipeline = dlt.pipeline("tcss_masked", destination="duckdb", dataset_name="tcss_images")
    return pipeline.run(source)


def load_with_sync() -> Any:
    """Load without a pipeline of your own: with a lock, in the safe order of commits; the run is the result."""
    return sync(destination="duckdb:///tcss_synced.duckdb")


if __name__ == "__main__":
    print(load_images())  # noqa: T201
