"""Names of clusters, hosts, users, labels and networks."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.labels import LABEL_PREFIX
from pyinfra_swarm.settings.values.refused import wrong

INTERFACE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}"
"""A network interface's name, as a regular expression."""


def _cluster_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise wrong(
            "is not made of lower-case letters, digits and inner hyphens (63 at most)",
            f'a name such as "{_slug(name) or "home"}"',
        )
    return name


def _host_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise wrong(
            "is not a host name: lower-case letters, digits and inner hyphens, 63 at most (RFC 1123"
            ", one label, no dots)",
            f'a name such as "{_slug(name.split(".")[0]) or "rk1"}"',
        )
    if name.isdigit():
        raise wrong("consists of digits only, which reads as an address", f'"node-{name}"')
    if name in ("all", "localhost", "managers", "workers", "inventory"):
        raise wrong("already means something else here", f'another name, such as "{name}-1"')
    return name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:63].strip("-")


def _user(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", name):
        raise wrong(
            "is not a user name: lower-case letters, digits, _ and -, 32 at most, no digit first",
            'a name such as "ubuntu"',
        )
    return name


def _login(name: str) -> str:
    if name == "root":
        raise wrong(
            "root logins are turned off by the SSH hardening",
            'a user who may use sudo without a password, such as "ubuntu"',
        )
    return _user(name)


def _label_key(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]+", key):
        raise wrong(
            "cannot be named by a placement constraint (node.labels.KEY): letters, digits, "
            "_ . and -, at least two, no digit first",
            'a key such as "disk"',
        )
    if key.startswith(("com.docker.", "io.docker.", "org.dockerproject.")):
        raise wrong("is in a namespace that Docker keeps for itself", 'a key such as "disk"')
    if key.startswith(LABEL_PREFIX):
        raise wrong(
            f"begins with {LABEL_PREFIX}, which is kept for the labels that this tool sets itself",
            'a key such as "disk"',
        )
    return key


def _label_value(value: str) -> str:
    if not value.isprintable():
        raise wrong("contains characters that cannot be printed", 'a text such as "nvme"')
    return value


def _network_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise wrong(
            "is not a network name: letters, digits, _ . and -, a letter or digit first",
            'a name such as "backend"',
        )
    if name in ("ingress", "docker_gwbridge", "bridge", "host", "none", "default"):
        instead = (
            "another name; the ingress network is set by networks.ingress_subnet"
            if name == "ingress"
            else 'another name, such as "backend"'
        )
        raise wrong("is a network of Docker's own", instead)
    return name


def _interface_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,14}", name):
        raise wrong(
            "is not the name of an interface: lower-case letters, digits, _ and -, 15 at most, a "
            "letter first",
            '"wg0"',
        )
    if re.match(r"lo$|docker|br-|veth|eth|en[opsx]|wl|tailscale|wt[0-9]", name):
        raise wrong("is what others call their interfaces", '"wg0"')
    return name


def _peer_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise wrong(
            "is not made of lower-case letters, digits and inner hyphens (63 at most)",
            f'a name such as "{_slug(name) or "laptop"}"',
        )
    return name


def _interface(name: str) -> str:
    if not re.fullmatch(INTERFACE, name):
        raise wrong(
            "is not the name of a network interface: letters, digits, _ . and -, 15 at most",
            'a name such as "eth0", as `ip -br address` shows it on the host',
        )
    return name


ClusterName = Annotated[str, AfterValidator(_cluster_name), Field(examples=["home"])]

HostName = Annotated[str, AfterValidator(_host_name), Field(examples=["rk1"])]

UserName = Annotated[str, AfterValidator(_user), Field(examples=["ubuntu"])]

Login = Annotated[str, AfterValidator(_login), Field(examples=["ubuntu"])]

OptionalLogin = Annotated[str, AfterValidator(lambda name: _login(name) if name else name)]

InterfaceName = Annotated[str, AfterValidator(_interface_name), Field(examples=["wg0"])]

PeerName = Annotated[str, AfterValidator(_peer_name), Field(examples=["laptop"])]

LabelKey = Annotated[str, AfterValidator(_label_key)]

LabelValue = Annotated[str, AfterValidator(_label_value), Field(examples=["nvme"])]

NetworkName = Annotated[str, AfterValidator(_network_name), Field(examples=["backend"])]

OptionalInterface = Annotated[
    str,
    AfterValidator(lambda name: _interface(name) if name else name),
    Field(examples=["eth0"]),
]
