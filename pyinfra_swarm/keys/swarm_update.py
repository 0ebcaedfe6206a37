"""What the managers agree on for the whole swarm, changed on the acting manager."""

from __future__ import annotations

from pyinfra_swarm.run.onhost import program

UPDATE = program(__file__, "update.sh")
"""Shell: ``engine`` and ``update``, of ``onhost/update.sh``."""
