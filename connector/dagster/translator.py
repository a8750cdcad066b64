"""Makes the asset of a table of `connector.tables`."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from connector.tables import Column, Table


@dataclass
class DagsterTcssTranslator:
    """Makes a table's `AssetSpec`. Subclass it to change more than these arguments say.

    Args:
        key_prefix: the first parts of all asset keys.
        group_name: the assets' group.
        dataset: the schema in `dagster/table_name`; the same as that of the `TcssResource`.
        kinds: further kinds beside `dlt`: usually the database, such as `postgresql`.

    Example:
        class Ours(DagsterTcssTranslator):
            def get_asset_spec(self, table: Table) -> dg.AssetSpec:
                return super().get_asset_spec(table).replace_attributes(owners=["team:security"])

        assets = build_tcss_assets(translator=Ours(key_prefix=["raw", "tcss"]))
    """

    key_prefix: Sequence[str] = ("tcss",)
    group_name: str = "tcss"
    dataset: str = "tcss"
    kinds: Sequence[str] = ()

    def get_asset_spec(self, table: Table) -> dg.AssetSpec:
        """Return the asset of a table: key, description, group, kinds, table name and columns."""
        return dg.AssetSpec(
            key=dg.AssetKey([*self.key_prefix, table.name]),
            description=table.description,
            group_name=self.group_name,
            kinds={"dlt", *self.kinds},
            metadata={
                "dagster/table_name": f"{self.dataset}.{table.name}",
                "dagster/column_schema": column_schema(table),
            },
        )


def column_schema(table: Table) -> dg.TableSchema:
    """Return the table's columns with types and descriptions, and its key."""
    key = f"primary key ({', '.join(table.key)})"
    columns = [_column(column, unique=table.key == (column.name,)) for column in table.columns]
    return dg.TableSchema(columns=columns, constraints=dg.TableConstraints(other=[key]))


def _column(column: Column, *, unique: bool) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=column.nullable, unique=unique)
    return dg.TableColumn(column.name, column.type, column.description, constraints)
