"""`python -m connector` is `tcss`."""

from connector.cli import main

main()
