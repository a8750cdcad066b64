"""The wing `api`."""
