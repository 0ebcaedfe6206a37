"""A real cluster on one machine: four Linux hosts, their network and the world outside.

The lab boots freshly flashed boards as User Mode Linux processes and plays everything they
need from the internet. It knows nothing of what is deployed on them.

For programs: `lab.description.read()` says what is up, `lab.api` starts, breaks and mends it.
For people: ``python -m lab --help``.
"""
