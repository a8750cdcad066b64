"""Calls the API: signs requests, keeps the pace, judges what comes back, and retries a call while a retry may help.

The wing imports `connector.errors`, `connector.wire` and its own modules, and nothing else of this project: no listing,
images, runs, warehouse or settings, and not dlt. Only `transport` and `connections` know of sockets. Only `limiter`,
`keyring`, `traffic` and `client` know of threads. The other modules take values and return values.

Its words:

- *call*: one action of the API, with all its attempts (`attempts.Call`).
- *attempt*: one HTTP request (`attempts.Attempt`).
- *answer*: what the API answered to a call that succeeded (`answers.Answer`).
- *error*: an exception of `connector.errors`. An attempt ends with an answer or with an error.
- *decision*: what to do after an attempt that ended with an error (`decisions.Decision`).
- *pace*: how many requests go per second, and when the next request may go (`pace.Pace`). Each action has its own pace.
- *turn*: the moment at which an attempt may go; attempts wait for it in a queue (`limiter.Limiter`).
- *back-off*: the pause of one call between two attempts (`decisions.back_off`). The back-off comes before the turn.
- *skew*: the server's clock less this machine's, in seconds.
"""
