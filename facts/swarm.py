"""What a host says about the swarm: its own membership, and from a manager all nodes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cryptography import x509
from pyinfra.api.facts import ShortFactBase

from cluster.membership import (
    IN_NO_SWARM,
    Membership,
    Node,
    Overlay,
    Service,
)
from facts.docker import ENGINE_STATE, encrypted, subnets
from facts.subject import SECTION, SubjectFact, sections

_URLS = " ".join(
    f"'http://localhost{path}'"
    for path in ("/info", "/nodes", "/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D")
)

_CERTIFICATE = "/var/lib/docker/swarm/certificates/swarm-node.crt"
"""The node's own certificate, its authority's below it: public, unlike the key beside it."""

_INGRESS = (
    # Asked by name a manager without a quorum is slow, and there it does not matter.
    "section ingress; case $(api --max-time 5 http://localhost/networks/ingress) in "
    """*'"ingress-sbox"'*) echo joined;; '{'*) echo missing;; esac"""
)
"""Shell: whether this node has an end of the ingress network; without, ports do not answer here."""


class State(SubjectFact[Membership]):
    """This host's place in a swarm, and the swarm as it sees it.

    Gives a :class:`cluster.membership.Membership`. Join tokens are never part of it.
    """

    def command(self) -> str:
        return (
            SECTION
            + ENGINE_STATE
            + 'state=$(engine_state); section state; echo "$state"\n'
            + f'[ "$state" = running ] && {{ section answers; api {_URLS}; {_INGRESS}; }}\n'
            + f"[ -r {_CERTIFICATE} ] && {{ section certificate; cat {_CERTIFICATE}; }}; true\n"
        )

    def parse(self, output: list[str]) -> Membership:
        return parse_state(output)


def parse_state(output: list[str]) -> Membership:
    """Read what :class:`State` prints."""
    found = sections(output)
    engine = found["state"][0]
    if engine != "running":
        return Membership(engine=engine)
    text = "\n".join(found["answers"])
    try:
        info, nodes, networks = _documents(text)
    except ValueError:
        # What curl says stands among the documents it did get.
        words = next((line for line in found["answers"] if not line.startswith(("{", "["))), text)
        return Membership(engine=f"unreachable: {words[:200]}")
    swarm = info["Swarm"]
    error = swarm.get("Error") or ""
    if swarm.get("ControlAvailable") and isinstance(nodes, dict):
        error = nodes.get("message", "")
    answered = isinstance(nodes, list)
    end = "".join(found.get("ingress", []))
    return Membership(
        engine=engine,
        hostname=info.get("Name") or "",
        state=swarm["LocalNodeState"] or IN_NO_SWARM,
        node=swarm.get("NodeID") or "",
        address=swarm.get("NodeAddr") or "",
        manager=bool(swarm.get("ControlAvailable")),
        cluster=(swarm.get("Cluster") or {}).get("ID") or "",
        remote_managers={m["NodeID"]: m["Addr"] for m in swarm.get("RemoteManagers") or []},
        nodes=tuple(map(_node, nodes)) if answered else None,
        overlays=tuple(
            Overlay(
                id=network["Id"],
                name=network["Name"],
                ingress=bool(network.get("Ingress")),
                encrypted=encrypted(network),
                subnets=tuple(subnets(network)),
            )
            for network in networks
            if network.get("Scope") == "swarm"
        )
        if answered
        else None,
        in_ingress=(end == "joined") if end else None,
        error=error,
        certificate_expires=_expiry(found.get("certificate", [])),
    )


def _expiry(pem: list[str]) -> float | None:
    """When the first certificate of a chain expires; ``None`` where there is none to be read."""
    with suppress(ValueError):
        first, *_ = x509.load_pem_x509_certificates("\n".join(pem).encode())
        return first.not_valid_after_utc.timestamp()
    return None


def _documents(text: str) -> list[Any]:
    """JSON documents that stand one behind the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    text = text.strip()
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        found.append(document)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def _node(entry: Mapping[str, Any]) -> Node:
    spec, status = entry["Spec"], entry["Status"]
    manager = entry.get("ManagerStatus") or {}
    return Node(
        id=entry["ID"],
        hostname=entry["Description"].get("Hostname", ""),
        # A manager's status shows 0.0.0.0 or 127.0.0.1 for the leader in some engines.
        address=manager.get("Addr", "").rpartition(":")[0] or status.get("Addr", ""),
        role=spec["Role"],
        availability=spec["Availability"],
        state=status["State"],
        leader=bool(manager.get("Leader")),
        reachability=manager.get("Reachability", ""),
        labels=spec.get("Labels") or {},
        engine_version=(entry["Description"].get("Engine") or {}).get("EngineVersion", ""),
    )


class JoinState(ShortFactBase[dict[str, Any]]):
    """Only this host's own membership, for a quick look.

    ``{"engine": "running", "state": "active", "role": "manager", "node": …, "address": …,
    "cluster": …, "error": ""}``.
    """

    fact = State

    def process_data(self, data: Membership | None) -> dict[str, Any]:
        if data is None:
            return {"engine": "no answer"}
        return {
            "engine": data.engine,
            "state": data.state,
            "role": ("manager" if data.manager else "worker") if data.in_swarm else "",
            "node": data.node,
            "address": data.address,
            "cluster": data.cluster,
            "error": data.error,
        }


class Nodes(ShortFactBase[dict[str, Any]]):
    """The swarm's nodes as this manager lists them.

    ``{"engine": "running", "manager": true, "nodes": {hostname: {"role", "leader", "state",
    "availability", "reachability", "address", "engine", "labels", "id"}}}``; without nodes on a
    host that is not a manager, or whose swarm has lost its quorum (then with the engine's error).
    """

    fact = State

    def process_data(self, data: Membership | None) -> dict[str, Any]:
        if data is None:
            return {"engine": "no answer", "manager": False, "nodes": {}}
        return {
            "engine": data.engine,
            "manager": data.manager,
            "error": data.error,
            "nodes": {
                node.hostname: {
                    "role": node.role,
                    "leader": node.leader,
                    "state": node.state,
                    "availability": node.availability,
                    "reachability": node.reachability,
                    "address": node.address,
                    "engine": node.engine_version,
                    "labels": dict(node.labels),
                    "id": node.id,
                }
                for node in data.nodes or ()
            },
        }


class Services(SubjectFact[tuple[Service, ...]]):
    """The swarm's services with their networks and the ports they publish through the mesh.

    Asked of the engine's command line, whose templates leave out what a service's definition may
    hold of secrets (environment variables, labels).
    """

    def command(self) -> str:
        template = (
            "{{json .Spec.Name}} [{{range .Endpoint.Ports}}"
            '{{if eq .PublishMode "ingress"}}{{.PublishedPort}} {{end}}{{end}}] '
            "[{{range .Spec.TaskTemplate.Networks}}{{.Target}} {{end}}]"
        )
        return (
            SECTION + ENGINE_STATE + "section services\n"
            '[ "$(api http://localhost/services)" = "[]" ] || {\n'
            "ids=$(docker service ls -q 2>/dev/null)\n"
            f"[ -z \"$ids\" ] || docker service inspect --format '{template}' $ids\n}}\n"
        )

    def parse(self, output: list[str]) -> tuple[Service, ...]:
        return tuple(map(_service, sections(output)["services"]))


def _service(line: str) -> Service:
    name, _, rest = line.partition(" [")
    ports, _, networks = rest.partition("] [")
    return Service(
        name=json.loads(name),
        networks=tuple(networks.rstrip("]").split()),
        mesh_ports=tuple(map(int, ports.split())),
    )


class Tasks(SubjectFact[tuple[str, ...]]):
    """The names of the tasks that are on a node, by id, as this manager knows it.

    Whatever has not ended yet: also what is being prepared, and what has been told to end.
    """

    def command(self, node: str) -> str:
        return (
            SECTION
            + "section tasks\n"
            + "docker node ps --no-trunc --format '{{.CurrentState}}|{{.Name}}' "
            + f"{shlex.quote(node)} 2>/dev/null; true\n"
        )

    def parse(self, output: list[str]) -> tuple[str, ...]:
        found = [line.partition("|") for line in sections(output)["tasks"]]
        return tuple(name for state, _, name in found if state.split(" ")[0] in _ALIVE)


_ALIVE = ("New", "Pending", "Assigned", "Accepted", "Preparing", "Ready", "Starting", "Running")
