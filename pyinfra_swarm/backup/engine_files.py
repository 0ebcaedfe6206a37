"""Work on the files of an engine, which is stopped for it."""

from __future__ import annotations

from pyinfra_swarm.run.onhost import program

NODE_KEY = "/var/lib/docker/swarm/certificates/swarm-node.key"
"""The private key of a node, on a host."""

ENGINE = program(__file__, "engine.sh")
"""Shell: ``stop_engine``, ``start_engine`` and ``running``."""
