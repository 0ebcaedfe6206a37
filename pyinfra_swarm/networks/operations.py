"""The swarm's networks: the ingress network encrypted, and the declared overlays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyinfra_swarm.engine.api import API, IN_INGRESS, UPDATE_NODE, WITHIN, on
from pyinfra_swarm.host import facts as host_facts
from pyinfra_swarm.networks.plan import mtu_refusals
from pyinfra_swarm.nodes.membership import acting_manager
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.steps import CreateOverlay, EnterIngress
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    observe_all,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.shell import with_values
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.swarm import stages as topology
from pyinfra_swarm.swarm.stage_operations import to_do

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

_INGRESS = f"""\
{UPDATE_NODE}{WITHIN}{IN_INGRESS}
pause=0.2
networks=http://localhost/networks
code=
look() {{ api "$networks/ingress" 2>/dev/null || [ "$code" = 404 ]; }}
shows() {{ look && case $answer in *"\\"$1\\""*) ;; *) return 1 ;; esac; }}
gone() {{ look && [ "$code" = 404 ]; }}
has_end() {{
  within 20 in_ingress || {{
    echo "this engine has not joined the ingress network: published ports do not answer here." \
      "Restart it: systemctl restart docker (with autolock on, deploys/unlock.py does it)" >&2
    exit 1; }}
}}
"""

_JOIN_INGRESS = f"{_INGRESS}has_end"

MISSES_INGRESS = f"""\
set -eu
{_INGRESS}
within 5 in_ingress || docker info --format '{{{{.Swarm.NodeID}}}}'
"""
"""Shell: prints this node's id where its engine gets no end of the ingress network in 5 seconds.

An engine that is told of the network creates it before it has noted its own address there, and
where it is too quick it gives up for good (“failed to find a load balancer IP to use for network”
in its log; seen with 26.1.5, once in twenty times on a busy machine).
"""

_REPLACE_INGRESS = f"""\
{_INGRESS}
wanted=$(cat)
if ! gone; then
  id=${{answer#*'"Id":"'}}
  api -X DELETE "$networks/${{id%%'"'*}}"
fi
within 20 gone || {{ echo "the old ingress network is still there" >&2; exit 1; }}
create() {{ words=$(api --data-binary "$wanted" "$networks/create" 2>&1); }}
within 20 create || {{
  echo "the new ingress network was not made: $words" >&2
  case $words in *"swarm is not active"*)
    echo "This engine is in no overlay network: systemctl restart docker, and run again" >&2
  esac
  exit 1; }}
within 20 shows encrypted || {{ echo "the new ingress network is not encrypted" >&2; exit 1; }}
api http://localhost/nodes
for node in $(printf '%s' "$answer" | grep -o '{{"ID":"[0-9a-z]*","Version":' | cut -d '"' -f 4); do
  update_node "$node"
done
has_end
"""
"""Shell: asks for the network by name, since the name filter of the engine's list misses what only
the swarm knows yet. A network's options are shown only a moment after its creation.

A node that is there already gets no end of the new network (``ingress-sbox``), whether it was
replaced by hand or by us: until a task, an update of the node or a restart of its engine comes, its
published ports do not answer (seen with 28.5.2). So each node is updated.
"""


@converges("swarm")
def ingress_encrypted(settings: Settings) -> Commands:
    """The ingress network encrypted: replaced where it is not, before anybody joins; all in it.

    + settings: the cluster's settings.

    Done through the engine's API: the command line prompts, and takes a closed standard input for
    a “no” that it reports as success. Removing is asynchronous, so the end of it is awaited.
    """
    me = this_host(settings)
    observed = memberships()
    for step in to_do(settings, topology.INGRESS, observed):
        if isinstance(step, EnterIngress):
            acting = acting_manager(settings, observed) or me.name
            look_again = with_values(f'{UPDATE_NODE}update_node "$node"', node=step.node)
            yield on(acting, look_again, "updating this node")
            yield on(me.name, _JOIN_INGRESS, "joining the ingress network", timeout=90)
        else:
            yield from _replace_ingress(settings)


def _replace_ingress(settings: Settings) -> Commands:
    progress("replacing the ingress network by an encrypted one")
    network = _overlay("ingress", settings, settings.networks.ingress_subnet)
    yield script(_REPLACE_INGRESS, stdin=json.dumps({**network, "Ingress": True}), timeout=180)


@converges("swarm")
def overlays_encrypted(settings: Settings) -> Commands:
    """Declared overlay networks exist, encrypted; others that are not are reported.

    + settings: the cluster's settings.
    """
    for step in to_do(settings, topology.OVERLAYS, memberships()):
        assert isinstance(step, CreateOverlay)
        [overlay] = [one for one in settings.networks.overlays if one.name == step.name]
        body = _overlay(overlay.name, settings, overlay.subnet)
        body["Attachable"] = overlay.attachable
        yield script(
            f"{API}api --data-binary @- http://localhost/networks/create",
            stdin=json.dumps(body),
        )


def _overlay(name: str, settings: Settings, subnet: str) -> dict[str, Any]:
    """An encrypted overlay network, as the engine's API takes it.

    Docker's MTU option means the underlay's: it takes VXLAN's and ESP's overhead off itself.
    """
    options = {"encrypted": ""}
    mtu = settings.networks.mtu or _smallest_mtu()
    if mtu and mtu != 1500:
        options["com.docker.network.driver.mtu"] = str(mtu)
    body: dict[str, Any] = {
        "Name": name,
        "Driver": "overlay",
        "Scope": "swarm",
        "Options": options,
    }
    if subnet:
        body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": subnet}]}
    return body


def _smallest_mtu() -> int:
    """That of the hosts' uplinks, in bytes; 0 where none has said. Raises where one is absurd."""
    uplinks = observe_all(host_facts.UplinkMtu)
    if too_small := mtu_refusals(uplinks):
        report("swarm", too_small)
    smallest = min(filter(None, uplinks.values()), default=0)
    if smallest and smallest < 1500:
        names = [name for name, mtu in uplinks.items() if mtu == smallest]
        progress(
            f"it is made for an MTU of {smallest}, the smallest, which "
            f"{listed(names)} {verb(names, 'says', 'say')}"
        )
    return smallest
