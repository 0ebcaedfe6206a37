"""Docker, one version everywhere: ``pyinfra inventory.py deploys/docker.py``."""

from pyinfra_swarm.deploys import docker

docker()
