"""deploys/site.py from the swarm on; most of what comes before wants systemd."""

from pyinfra_swarm.deploys import exposure, secrets, stacks, swarm

swarm()
secrets()
stacks()
exposure()
