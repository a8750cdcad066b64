"""Runs the command `tcss`, and prints what people read.

This wing may import every other wing except for Airflow's and Dagster's. `main` has the options and exit codes. Each
command imports its module when the command is called, so that `tcss --help` is quick.

codes       the exit codes, as the help of each command says them.
dictionary  `tcss tables`.
durations   durations as people write them, such as 26h.
fleet       `tcss sandbox`.
places      the places that `tcss check` names: where each setting was found.
report      what is printed while a command works, and at its end. The page of `tcss report` is made in `posture`.
process     the command's process: Ctrl-C, SIGTERM, and the end.
streams     stdout and stderr, which never fail.
"""
