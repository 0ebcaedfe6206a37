"""Whether each node finds the services by their names, asked as a container there would ask.

The engine answers at 127.0.0.11 in each namespace that is attached to a network, also in the one
that the node itself has there (:mod:`networks.attachments`). The host's own bash asks it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyinfra_swarm.networks.attachments import Attachments
from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.proof.datagram import DATAGRAM, as_numbers
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import quoted

SERVER = "127.0.0.11"
"""Where the engine answers in each namespace."""

TRIES, SECONDS, AT_ONCE = 3, 5, 20
"""How often a name is asked for that is not found, how long each answer is waited for, and how many
names of a network are asked for at the same time."""

_NAME = re.compile(r"(?=.{1,63}$)[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
"""A service's name, as the engine takes it: one that is anything else is asked for nowhere."""


@dataclass(frozen=True)
class Lookup:
    """A service to be found by a host in a network, in this network namespace of the host's."""

    host: str
    network: str
    sandbox: str
    service: str


@dataclass(frozen=True)
class Answer:
    """What came back. code: of DNS (0: no error, 3: there is no such name); ``None`` for nothing
    that could be read."""

    code: int | None = None
    addresses: tuple[str, ...] = ()


def lookups(
    observed: Observed, attachments: Attachments, hosts: Iterable[str]
) -> tuple[Lookup, ...]:
    """Every service that some host knows in a network, for each of these hosts that is in it."""
    known: dict[str, set[str]] = {}
    for said in observed.values():
        for network, services in (said.names if said else {}).items():
            known.setdefault(network, set()).update(filter(_NAME.fullmatch, services))
    return tuple(
        Lookup(host, one.network, one.sandbox, service)
        for host in hosts
        for one in attachments.get(host) or ()
        if not one.ingress
        for service in sorted(known.get(one.network, ()))
    )


def script() -> str:
    """What runs in the namespace of a network, and reads lines of :func:`asked`."""
    return program(
        __file__,
        "lookups.sh",
        using=[DATAGRAM],
        server=f"{SERVER}/53",
        tries=str(TRIES),
        seconds=str(SECONDS),
        at_once=str(AT_ONCE),
    )


def asked(mine: Iterable[Lookup]) -> str:
    """The lines for a host's own lookups."""
    return "\n".join(
        f"{one.sandbox} {one.service} {as_numbers(query(one.service))}" for one in mine
    )


def longest(mine: Sequence[Lookup]) -> int:
    """Seconds after which all of a host's lookups have ended, however slow the answers are."""
    batches = sum(
        -(-len([one for one in mine if one.sandbox == sandbox]) // AT_ONCE)
        for sandbox in {one.sandbox for one in mine}
    )
    return batches * TRIES * (SECONDS + 1)


_ANSWER = re.compile(r"(\S+) (\S+) ((?:[0-9a-f]{2})*)")


def answers(lines: Iterable[str]) -> dict[tuple[str, str], Answer]:
    """What a host's program has printed: each answer, by the namespace and the service."""
    found = {}
    for line in lines:
        said = _ANSWER.fullmatch(line)
        if said and _NAME.fullmatch(said[2]):
            sandbox, service, message = said.groups()
            found[sandbox, service] = read(bytes.fromhex(message), query(service))
    return found


# DNS (RFC 1035, 4.1)
# -------------------

_HEADER = 12
_A = (1, 1)
"""Type and class of an IPv4 address on the internet."""

_POINTER = 0xC0
"""How a pointer to another name begins, which ends a name; what is less is a label's length."""


def query(name: str) -> bytes:
    """The message that asks for a service's IPv4 addresses."""
    labels = [label.encode() for label in name.split(".")]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return b"\x53\x57\x01\x00\x00\x01" + bytes(6) + question + b"\0\x01\0\x01"


def read(message: bytes, question: bytes) -> Answer:
    """What a message says to a question; an answer to another one says nothing."""
    header, rest = message[:_HEADER], message[len(question) :]
    if len(header) < _HEADER or header[:2] != question[:2] or not header[2] & 0x80:
        return Answer()
    code, addresses = header[3] & 0x0F, []
    for _ in range(min(int.from_bytes(header[6:8]), len(rest))):
        rest = _after_name(rest)
        kind = int.from_bytes(rest[:2]), int.from_bytes(rest[2:4])
        data, rest = rest[10 : 10 + int.from_bytes(rest[8:10])], rest[10:]
        rest = rest[len(data) :]
        if kind == _A and len(data) == 4:
            addresses.append(str(ipaddress.IPv4Address(data)))
    return Answer(code, tuple(addresses))


def _after_name(rest: bytes) -> bytes:
    while rest and 0 < rest[0] < _POINTER:
        rest = rest[1 + rest[0] :]
    return rest[2:] if rest and rest[0] >= _POINTER else rest[1:]


# Verdict
# -------


def verdict(
    mine: Iterable[Lookup],
    said: Mapping[tuple[str, str], Answer],
    subnets: Collection[str],
) -> dict[Lookup, Notice]:
    """What is wrong of a host's lookups. subnets: of the swarm's networks; none where unknown."""
    found = {}
    for one in mine:
        problem = _problem(one, said.get((one.sandbox, one.service), Answer()), subnets)
        if problem is not None:
            found[one] = problem
    return found


def _problem(one: Lookup, said: Answer, subnets: Collection[str]) -> Notice | None:
    what, publish = (
        f"service {one.service}",
        f"`docker service update --force {quoted(one.service)}` on a manager publishes it again",
    )
    if said.code is None:
        return Notice(
            what,
            f"the engine's DNS ({SERVER}) did not answer in the network {one.network}: containers "
            "on this node find no service by its name",
            remedy="`sudo journalctl -u docker` there may say why; `sudo systemctl restart docker` "
            "starts it anew",
        )
    if not said.addresses:
        return Notice(
            what,
            f"its name is not found on this node in the network {one.network}, though it has tasks "
            "there: containers here cannot find it",
            expected="its address",
            found={2: "SERVFAIL", 3: "NXDOMAIN"}.get(said.code, f"no address (code {said.code})"),
            remedy=publish,
        )
    networks = [ipaddress.ip_network(subnet, strict=False) for subnet in subnets]
    own = [a for a in said.addresses if any(ipaddress.ip_address(a) in net for net in networks)]
    if networks and not own:
        return Notice(
            what,
            f"its name leads out of the swarm's networks on this node, in the network "
            f"{one.network}: the engine does not know it, and another name server answers instead",
            expected="an address in one of the swarm's networks",
            found=", ".join(said.addresses[:4]),
            remedy=publish,
        )
    return None
