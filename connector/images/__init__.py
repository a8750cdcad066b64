"""The wing `images`."""
