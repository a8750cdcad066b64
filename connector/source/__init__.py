"""`connector.tcss()`: the images of an account as a dlt source, for a pipeline of the user's own.

`resources` is the source, `selection` what its user may choose of it, and `extraction` the one run that its resources
share. This wing imports `connector.runs` and what is below. `connector.sync` does not need it.
"""

from connector.source.resources import TcssSource, make_views, tcss

__all__ = ["TcssSource", "make_views", "tcss"]
