"""Writes the files that are generated from the code: `python -m tests.generate`; `--check` only names stale files."""

import sys
from pathlib import Path

from connector.warehouse.dictionary import data_dictionary
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import schema
from tests.dictionary import views_dictionary
from tests.settings.reference import settings_reference

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "schemas"


def generated() -> dict[Path, str]:
    """Return path -> text of every generated file."""
    contract = schema(locate("duckdb:///warehouse.duckdb")).to_pretty_yaml()
    dictionary = f"{data_dictionary()}\n{views_dictionary()}"
    return {
        SCHEMAS / "README.md": dictionary,
        SCHEMAS / "tcss.schema.yaml": contract,
        ROOT / "docs" / "settings.md": settings_reference(),
    }


if __name__ == "__main__":
    stale = {
        path: text
        for path, text in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if "--check" in sys.argv:
        sys.exit(f"stale: {', '.join(path.name for path in stale)}" if stale else 0)
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
