"""What a host says about its own attachments to the swarm's overlay networks."""

from __future__ import annotations

import json
import re
from typing import Any

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.engine.network import encrypted
from pyinfra_swarm.networks.attachments import INGRESS, Attachment
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program


class Attachments(SubjectFact[tuple[Attachment, ...]]):
    """This host's attachment to each overlay network that reaches it: namespace, addresses, MTU.

    Gives :class:`networks.attachments.Attachment` s; none where the engine does not run or is in no
    swarm. The engine calls the namespaces ``ingress_sbox`` and ``lb_`` with the beginning of
    the network's id (seen with 26.1.5 and 28.5.2).
    """

    def script(self) -> str:
        return program(__file__, "attachments.sh", using=[ENGINE_STATE], ingress=INGRESS)

    def parse(self, said: Sections) -> tuple[Attachment, ...]:
        return parse_attachments(said)


_LINK = re.compile(r"\bmtu (?P<mtu>\d+)\b.*\blink/ether (?P<mac>[0-9a-f:]{17})")


def parse_attachments(said: Sections) -> tuple[Attachment, ...]:
    """Read what :class:`Attachments` prints; one that is just coming or going is left out."""
    found = []
    for sandbox, lines in said.items():
        if sandbox == "state" or not lines or not lines[0].startswith("{"):
            continue
        network: dict[str, Any] = json.loads(lines[0])
        name = network.get("Name", "")
        endpoint = "ingress-sbox" if sandbox == INGRESS else f"lb-{name}"
        found_here = (network.get("Containers") or {}).get(endpoint)
        vnis = (network.get("Options") or {}).get("com.docker.network.driver.overlay.vxlanid_list")
        links = {link["mac"]: int(link["mtu"]) for link in map(_LINK.search, lines[1:]) if link}
        if not found_here or not vnis or found_here["MacAddress"] not in links:
            continue
        found.append(
            Attachment(
                network=name,
                ingress=bool(network.get("Ingress")),
                encrypted=encrypted(network),
                vni=int(vnis.split(",")[0]),
                sandbox=judged.sandbox(sandbox),
                address=judged.address(found_here["IPv4Address"].partition("/")[0]),
                mac=judged.mac(found_here["MacAddress"]),
                mtu=links[found_here["MacAddress"]],
            )
        )
    return tuple(found)
