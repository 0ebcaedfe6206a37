"""The swarm: found, encrypted before anybody joins, joined, roles as declared, nodes labelled."""

from pyinfra_swarm.firewall import operations as firewall
from pyinfra_swarm.keys import autolock_operations as autolock
from pyinfra_swarm.keys import certificates_operations as certificates
from pyinfra_swarm.networks import operations as networks
from pyinfra_swarm.settings import load
from pyinfra_swarm.swarm import operations as swarm

swarm.founded(load(), name="Swarm: find it, or found it")
networks.ingress_encrypted(load(), name="Swarm: the ingress network encrypted")
swarm.joined(load(), name="Swarm: all hosts in it", _timeout=300)
swarm.promoted(load(), name="Swarm: managers promoted, one at a time", _serial=True, _timeout=300)
swarm.demoted(load(), name="Swarm: managers demoted, one at a time", _serial=True, _timeout=300)
swarm.leader_demoted(
    load(), name="Swarm: the leader demoted, after all others", _serial=True, _timeout=300
)
firewall.shut_behind(load(), name="Swarm: the managers' port shut behind those demoted")
swarm.labelled(load(), name="Swarm: labels and availability")
networks.overlays_encrypted(load(), name="Swarm: overlay networks encrypted")
certificates.as_declared(load(), name="Swarm: certificates as declared, and renewed")
autolock.as_declared(load(), name="Swarm: autolock as declared, its key kept")
