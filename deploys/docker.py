"""Docker from its own repository: one version everywhere, held, configured, running."""

from pyinfra_swarm.docker import operations as docker
from pyinfra_swarm.settings import load

docker.repository(load(), name="Docker: its repository, the key checked first")
docker.installed(load(), name="Docker: one version everywhere, held")
docker.followers(
    load(), name="Docker: the daemon as declared, managers but the leader", _serial=True
)
docker.daemon(load(), name="Docker: the daemon as declared, one host at a time", _serial=True)
