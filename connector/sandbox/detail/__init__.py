"""The details behind the counts: vulnerabilities, malware, components, containers and hosts of the same fleet.

`catalogue` invents vulnerabilities, `state` gives each image as many of them as its counts say, `account` turns that
round, `places` says where images run. `lists` reads parameters and makes pages; `actions` names the lists.

Nothing here is made before a detail is asked for. Everything follows from the fleet's seed, the image's id, name,
system and counts, and the library: no random number is drawn for an answer but to shuffle equal rows.
"""
