"""The wing `warehouse`."""
