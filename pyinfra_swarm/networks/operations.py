"""How the networks' steps are carried out; when, the stages of the swarm's deploy say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyinfra_swarm.engine.api import API, WITHIN
from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.host import facts as host_facts
from pyinfra_swarm.networks.attachments import ATTACHED_TO_INGRESS
from pyinfra_swarm.networks.plan import mtu_refusals
from pyinfra_swarm.nodes.programs import UPDATE_NODE
from pyinfra_swarm.run.converge import Commands, observe_all, progress, report, script
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

ATTACHED = API + WITHIN + ATTACHED_TO_INGRESS

AWAIT_ATTACHED = program(__file__, "await_attached.sh")

MISSES_INGRESS = program(__file__, "misses_ingress.sh", using=[ATTACHED])
"""Shell: prints this node's id where its engine is not attached to the ingress network."""

REPLACE_INGRESS = program(__file__, "replace_ingress.sh", using=[ATTACHED, UPDATE_NODE])
REPLACE_INGRESS += AWAIT_ATTACHED


def attach_ingress(node: str, host: str, acting: str) -> Commands:
    """Make the engine of a node, by id, on this host attach to the ingress network."""
    update = program(__file__, "attach_again.sh", using=[UPDATE_NODE], node=node)
    yield on(acting, update, "updating this node")
    yield on(host, ATTACHED + AWAIT_ATTACHED, "joining the ingress network", timeout=90)


def replace_ingress(settings: Settings) -> Commands:
    """Replace the ingress network by an encrypted one, or create it.

    Done through the engine's API: the command line prompts, and takes a closed standard input for
    a “no” that it reports as success. Removing is asynchronous, so its end is awaited.
    """
    progress("replacing the ingress network by an encrypted one")
    network = _overlay("ingress", settings, settings.networks.ingress_subnet)
    yield script(REPLACE_INGRESS, stdin=json.dumps({**network, "Ingress": True}), timeout=300)


def create_overlay(settings: Settings, name: str) -> Commands:
    """Create a declared overlay network, encrypted."""
    [overlay] = [one for one in settings.overlays if one.name == name]
    body = _overlay(overlay.name, settings, overlay.subnet)
    body["Attachable"] = overlay.attachable
    create = f"{API}api --data-binary @- http://localhost/networks/create"
    yield script(create, stdin=json.dumps(body))


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
            f"it is created for an MTU of {smallest}, the smallest, which "
            f"{listed(names)} {verb(names, 'says', 'say')}"
        )
    return smallest
