"""What the managers agree on for the whole swarm, changed on the acting manager."""

from __future__ import annotations

from pyinfra_swarm.run.onhost import program

UPDATE = program(__file__, "update.sh")
"""Shell: ``update COMMAND…`` runs a docker command that changes it, again if the swarm has changed
in the meantime. What the command prints is kept in ``$said``."""
