"""Writes the data dictionary: the tables as Markdown, for `tcss tables` and for the start of `schemas/README.md`."""

from connector.tables import ALL_TABLES, Column, Table


def data_dictionary() -> str:
    """Return all tables as Markdown: a section per table, with a line per column. Ends with a newline."""
    intro = (
        "# Data dictionary\n\nGenerated from `connector/tables`; do not edit. Times are UTC instants. A text that "
        "the API leaves empty is null.\n"
    )
    return "\n".join([intro, *(_section(table) for table in ALL_TABLES)])


def _section(table: Table) -> str:
    head = "| column | type | null | source field | unit | meaning | example |\n|---|---|---|---|---|---|---|"
    key = ", ".join(f"`{name}`" for name in table.key)
    lines = [f"## {table.name}\n\n{table.description}\n\nKey: {key}.\n\n{head}", *map(_line, table.columns)]
    return "\n".join(lines) + "\n"


def _line(column: Column) -> str:
    limit = f"({column.precision})" if column.precision else ""
    source = f"from {column.source}" if column.derived else column.source or ""
    example = f"`{column.example}`" if column.example else ""
    cells = (
        f"`{column.name}`",
        column.type + limit,
        "yes" if column.nullable else "no",
        source,
        column.unit or "",
        column.description,
        example,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
