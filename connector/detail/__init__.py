"""Loads the details behind the counts: the findings of each image, and where images run, after the images.

A *set* is what one aspect (`tables.aspects`) shows of one image at one ScanTime. `sets` reads a set until it is proven
whole, and `sequences` says what two passes over it prove; `judging` says what a set that was read is worth;
`differences` compares it with the intervals that the warehouse holds; `settling` writes what differs, and last the
*marker*, the row of `image_reads` that makes the set visible. `lists` reads lists of the account whole, and `account`
the containers and hosts. `queue` derives from the warehouse which sets are *due*. `verdicts` says how an aspect ended.
`run` puts all of it together for one account.

Imports what is below `connector.runs`, and nothing of Airflow, Dagster or the command line.
"""
