"""What a host says about the swarm: its own membership, and from a manager all nodes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, get_args

from cryptography import x509
from cryptography.x509.oid import NameOID
from pyinfra.api.facts import ShortFactBase

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.engine.network import IS_ATTACHED, encrypted, subnets
from pyinfra_swarm.engine.versions import engine_version
from pyinfra_swarm.nodes.membership import (
    IN_NO_SWARM,
    Membership,
    Node,
    Ours,
    Overlay,
    Service,
    SwarmSpec,
)
from pyinfra_swarm.nodes.on_disk import OnDisk
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.settings.labels import NAME, STACK

_CERTIFICATE = "/var/lib/docker/swarm/certificates/swarm-node.crt"
_KEY = "/var/lib/docker/swarm/certificates/swarm-node.key"


class State(SubjectFact[Membership]):
    """This host's place in a swarm, and the swarm as it sees it.

    Gives a :class:`nodes.membership.Membership`. Join tokens and the unlock key are never part
    of it.
    """

    def script(self) -> str:
        return program(
            __file__,
            "membership.sh",
            using=[ENGINE_STATE, IS_ATTACHED],
            certificate=_CERTIFICATE,
            record=STACK,
            version=NAME,
        )

    def parse(self, said: Sections) -> Membership:
        return parse_state(said)


def parse_state(found: Sections) -> Membership:
    """Read what :class:`State` prints."""
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
        hostname=judged.host_name(info.get("Name")),
        state=judged.one_of(judged.LOCAL_STATES, swarm["LocalNodeState"] or IN_NO_SWARM),
        node=judged.swarm_id_if_any(swarm.get("NodeID")),
        address=judged.address(swarm.get("NodeAddr")),
        manager=bool(swarm.get("ControlAvailable")),
        cluster=judged.swarm_id_if_any((swarm.get("Cluster") or {}).get("ID")),
        remote_managers={
            judged.swarm_id_if_any(m["NodeID"]): judged.endpoint(m["Addr"])
            for m in swarm.get("RemoteManagers") or []
        },
        nodes=tuple(map(_node, nodes)) if answered else None,
        overlays=tuple(
            Overlay(
                id=judged.network_id(network["Id"]),
                name=str(network["Name"]),
                ingress=bool(network.get("Ingress")),
                encrypted=encrypted(network),
                subnets=tuple(subnets(network)),
                attachable=bool(network.get("Attachable")),
            )
            for network in networks
            if network.get("Scope") == "swarm"
        )
        if answered
        else None,
        in_ingress=(end == "joined") if end else None,
        error=error,
        **_certificate(found.get("certificate", [])),
        spec=_terms(swarm.get("Cluster") or {}),
        names=_names("\n".join(found.get("names", []))),
        ours=_ours(found.get("ours", [])),
    )


def _ours(lists: Sequence[str]) -> tuple[Ours, ...]:
    """Of what is asked for, in this order, all that is not said to be none: it may be there."""
    if not lists:
        return ()
    each = zip_longest(get_args(Ours), lists[: len(get_args(Ours))])
    return tuple(one for one, beginning in each if beginning != "[]")


def _names(text: str) -> dict[str, tuple[str, ...]]:
    """The services with tasks in each network, as ``docker network inspect --verbose`` has them.

    What cannot be read is not known: whoever asks for names compares them with other hosts'.
    """
    known = {}
    with suppress(ValueError):
        for network in _documents(text):
            if "Name" in network and not network.get("Ingress"):
                services: Mapping[str, Any] = network.get("Services") or {}
                known[str(network["Name"])] = tuple(
                    sorted(name for name, one in services.items() if name and one.get("Tasks"))
                )
    return known


def _certificate(pem: list[str]) -> dict[str, Any]:
    """What the first certificate of a chain says; nothing where there is none to be read."""
    first = _first("\n".join(pem))
    if first is None:
        return {}
    # swarmkit writes the role into the organizational unit: ``swarm-manager``, ``swarm-worker``.
    units = first.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    role = str(units[0].value).removeprefix("swarm-") if units else ""
    return {
        "certificate_issued": first.not_valid_before_utc.timestamp(),
        "certificate_expires": first.not_valid_after_utc.timestamp(),
        "certificate_role": role if role in judged.ROLES else "",
    }


def _first(pem: str) -> x509.Certificate | None:
    with suppress(ValueError):
        first, *_ = x509.load_pem_x509_certificates(pem.encode())
        return first
    return None


def _terms(cluster: Mapping[str, Any]) -> SwarmSpec | None:
    """What the managers agree on; while the root CA is replaced, the issuer is the new one's.

    A manager without a leader describes an empty swarm: without an id, and with autolock off.
    """
    spec, tls = cluster.get("Spec"), cluster.get("TLSInfo") or {}
    if not spec or not cluster.get("ID"):
        return None
    root = _first(tls.get("TrustRoot") or "")
    return SwarmSpec(
        certificate_expiry=(spec["CAConfig"].get("NodeCertExpiry") or 0) // 1_000_000_000,
        autolock=bool(spec["EncryptionConfig"]["AutoLockManagers"]),
        issuer=_issuer(tls),
        rotating=bool(cluster.get("RootRotationInProgress")),
        root_expires=root.not_valid_after_utc.timestamp() if root else None,
    )


def _issuer(tls: Mapping[str, Any]) -> str:
    """A short name of a certificate's issuer: of its public key, which differs for every root."""
    with suppress(ValueError):
        key = base64.b64decode(tls.get("CertIssuerPublicKey") or "")
        return hashlib.sha256(key).hexdigest()[:12] if key else ""
    return ""


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
    platform = entry["Description"].get("Platform") or {}
    return Node(
        id=judged.swarm_id(entry["ID"]),
        hostname=judged.others_name(entry["Description"].get("Hostname")),
        # A manager's status shows 0.0.0.0 or 127.0.0.1 for the leader in some engines.
        address=judged.address(manager.get("Addr", "").rpartition(":")[0] or status.get("Addr")),
        role=judged.one_of(judged.ROLES, spec["Role"]),
        availability=judged.one_of(judged.AVAILABILITIES, spec["Availability"]),
        state=judged.one_of(judged.NODE_STATES, status["State"]),
        leader=bool(manager.get("Leader")),
        reachability=judged.one_of(("", *judged.REACHABILITIES), manager.get("Reachability", "")),
        labels={str(key): str(value) for key, value in (spec.get("Labels") or {}).items()},
        engine_version=judged.others_version(
            (entry["Description"].get("Engine") or {}).get("EngineVersion")
        ),
        issuer=_issuer(entry["Description"].get("TLSInfo") or {}),
        os=judged.others_name(platform.get("OS")),
        architecture=judged.others_name(platform.get("Architecture")),
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


class StateOnDisk(SubjectFact[OnDisk]):
    """What this host has of a swarm on its disk, whether its engine runs or not.

    Gives a :class:`nodes.on_disk.OnDisk`. Keys are looked at, never read out.
    """

    def script(self) -> str:
        return program(__file__, "state_on_disk.sh", certificate=_CERTIFICATE, key=_KEY)

    def parse(self, said: Sections) -> OnDisk:
        return parse_on_disk(said)


def parse_on_disk(found: Sections) -> OnDisk:
    """Read what :class:`StateOnDisk` prints."""
    cluster, node, role = _subject(found["certificate"])
    version = re.search(r"version ([^,\s]+)", "".join(found["engine"]))
    addresses = re.findall(r"\binet ([\d.]+)", "\n".join(found["addresses"]))
    return OnDisk(
        state=found["state"] == ["yes"],
        locked=found["locked"] == ["yes"],
        cluster=judged.swarm_id_if_any(cluster),
        node=judged.swarm_id_if_any(node),
        manager=role == "swarm-manager",
        engine=engine_version(version[1]) if version else "",
        addresses=tuple(addresses),
    )


def _subject(pem: list[str]) -> tuple[str, str, str]:
    """A node's swarm, id and role: swarmkit writes them into its certificate's subject."""
    with suppress(ValueError):
        first, *_ = x509.load_pem_x509_certificates("\n".join(pem).encode())
        names = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
        found = [first.subject.get_attributes_for_oid(name) for name in names]
        cluster, node, role = (str(values[0].value) if values else "" for values in found)
        return cluster, node, role
    return "", "", ""


_ENGINE_MUST_RUN = program(__file__, "engine_must_run.sh")


class Services(SubjectFact[tuple[Service, ...]]):
    """The swarm's services with their networks and the ports they publish through the mesh.

    Asked of the engine's command line, whose templates leave out what a service's definition may
    hold of secrets (environment variables, labels). Empty where Docker is not installed, and where
    this is no manager; a manager that cannot say gives no answer.
    """

    def script(self) -> str:
        return program(
            __file__, "services.sh", using=[ENGINE_STATE, "section services\n", _ENGINE_MUST_RUN]
        )

    def parse(self, said: Sections) -> tuple[Service, ...]:
        return tuple(map(_service, said["services"]))


def _service(line: str) -> Service:
    name, _, rest = line.partition(" [")
    ports, _, networks = rest.partition("] [")
    published = [port.partition("/") for port in ports.split()]
    return Service(
        name=json.loads(name),
        networks=tuple(networks.rstrip("]").split()),
        mesh_ports=tuple(int(number) for number, _, _ in published),
        protocols=tuple(judged.one_of(judged.PROTOCOLS, protocol) for _, _, protocol in published),
    )


class Tasks(SubjectFact[tuple[str, ...]]):
    """The names of the tasks that are on a node, by id, as this manager knows it.

    All that have not ended yet, also those that are being prepared or shut down.
    """

    def script(self, node: str) -> str:
        return program(
            __file__,
            "tasks.sh",
            using=[ENGINE_STATE, "section tasks\n", _ENGINE_MUST_RUN],
            node=node,
        )

    def parse(self, said: Sections) -> tuple[str, ...]:
        found = [line.partition("|") for line in said["tasks"]]
        return tuple(name for state, _, name in found if state.split(" ")[0] in _ALIVE)


_ALIVE = ("New", "Pending", "Assigned", "Accepted", "Preparing", "Ready", "Starting", "Running")
