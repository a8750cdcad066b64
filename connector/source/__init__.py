"""Gives the images of an account as a dlt source, `connector.tcss()`, for a pipeline of the user's own.

`resources` is the source, `selection` and `steps` check what its user chooses, `target` checks where the pipeline
loads, `mysql` readies a run for MySQL, and `extraction` makes the one run that all its resources share. This wing
imports `connector.runs` and the wings below. `connector.sync` does not need this wing.
"""

from connector.source.resources import TcssSource, make_views, tcss

__all__ = ["TcssSource", "make_views", "tcss"]
