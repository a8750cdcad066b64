"""The wing `listing`."""
