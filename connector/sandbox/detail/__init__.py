"""Invents the details behind the counts: vulnerabilities, malware, components, containers and hosts of a fleet.

`catalogue` invents vulnerabilities, `state` gives each image as many of them as its counts say, `account` finds the
images of a vulnerability, `places` says where images run. `lists` reads parameters and makes pages; `actions` names
the lists.

Nothing here is made before a detail is asked for. Everything follows from the fleet's seed, the image's id, name,
system and counts, and the library. Answers draw random numbers only to shuffle equal rows.
"""
