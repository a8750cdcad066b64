"""`python -m connector` is `tcss`."""

from connector.cli.main import main

main()
