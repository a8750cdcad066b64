"""Writes what is generated from the code: `python -m tests.generate`. The tests compare it with what is there."""

from pathlib import Path

from connector.destinations import Warehouse
from connector.tables import data_dictionary

SCHEMAS = Path(__file__).parents[1] / "schemas"


def generated() -> dict[Path, str]:
    """Path -> text of every generated file."""
    contract = Warehouse.open("duckdb:///warehouse.duckdb").schema().to_pretty_yaml()
    return {SCHEMAS / "README.md": data_dictionary(), SCHEMAS / "tcss.schema.yaml": contract}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
