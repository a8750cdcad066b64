"""The wing `runs`."""
