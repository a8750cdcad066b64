"""Runs `tcss tables`: prints the data dictionary in the form that was asked for."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """The forms of the data dictionary."""

    MARKDOWN = "markdown"
    DBT = "dbt"


def text(form: Form, destination: str | None, dataset: str | None) -> str:
    """Return the dictionary. In the form for dbt, it names the dataset of the destination, and has the tables of
    details where the setting `detail` asks for them."""
    if form is Form.MARKDOWN:
        from connector.warehouse.dictionary import data_dictionary

        return data_dictionary()
    from connector.settings import Settings
    from connector.tables import LOADED_TABLES, TABLES
    from connector.warehouse.dbt import sources
    from connector.warehouse.locations import locate

    settings = Settings.load(destination=destination, dataset=dataset)
    return sources(locate(settings.destination, settings.dataset).dataset, LOADED_TABLES if settings.detail else TABLES)
