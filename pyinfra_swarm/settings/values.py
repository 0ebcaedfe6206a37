"""The kinds of values settings are made of: what each must look like, and what to write instead.

Every kind is a string, an integer or a boolean in its canonical form, so that settings can be
compared, printed and put into commands as they are.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pyinfra_swarm.settings.labels import LABEL_PREFIX
from pyinfra_swarm.settings.paths import ROOT, from_user

Role = Literal["manager", "worker"]
Availability = Literal["active", "pause", "drain"]

DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)

_LOCAL_ONLY = "the Engine listens on its local socket only"

DAEMON_OWNED = {
    "live-restore": "a swarm node cannot use it, it stays off",
    "log-driver": "logs are local files, rotated: docker.log_max_size and docker.log_max_files",
    "log-opts": "docker.log_max_size and docker.log_max_files set them",
    "firewall-backend": "the firewall needs Docker's iptables back end, it is pinned",
    "iptables": "published ports and the firewall need it, it stays on",
    "ip6tables": "published ports and the firewall need it, it stays on",
    "ip-forward": "networks between containers need it, it stays on",
    "hosts": _LOCAL_ONLY,
    "tls": _LOCAL_ONLY,
    "tlsverify": _LOCAL_ONLY,
    "tlscacert": _LOCAL_ONLY,
    "tlscert": _LOCAL_ONLY,
    "tlskey": _LOCAL_ONLY,
    "swarm-default-advertise-addr": "it is each host's address",
}
"""Keys of daemon.json that are not the user's to set, each with the reason."""


def wrong(reason: str, instead: str) -> PydanticCustomError:
    """The error a check of a single value raises; both texts reach the user."""
    return PydanticCustomError("setting", "{reason}", {"reason": reason, "instead": instead})


def seconds(duration: str) -> int:
    """The seconds in a duration such as `"90d"`, `"2160h"` or `"1d12h"`.

    Raises ValueError for anything else.
    """
    if not re.fullmatch(r"([0-9]+[dhms])+", duration):
        raise ValueError(f"not a duration: {duration!r}")
    return sum(
        int(number) * DURATION_UNITS[unit]
        for number, unit in re.findall(r"([0-9]+)([dhms])", duration)
    )


def public_key_fault(line: str) -> tuple[str, str] | None:
    """Why a line is not one SSH public key, and what to write instead; `None` if it is one."""
    example = 'one line of a .pub file, such as "ssh-ed25519 AAAA… you@laptop"'
    parts = line.split()
    if len(parts) < 2 or "\n" in line.strip():
        return "is not an SSH public key: a type and a block of base64 in one line", example
    if parts[0] not in KEY_TYPES:
        known = ", ".join(KEY_TYPES)
        return (
            "does not begin with a key type (options in front of it are not supported)",
            f"{example}; the types: {known}",
        )
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        return "its second word is not base64: part of the line is missing or changed", example
    fields = _length_prefixed(blob)
    if fields is None or len(fields) < 2:
        return "ends too early: part of the key is missing", example
    inner = fields[0].decode("ascii", "replace")
    if inner != parts[0]:
        return f'says it is "{parts[0]}" but holds a key of the type "{inner}"', example
    return None


def _length_prefixed(blob: bytes) -> list[bytes] | None:
    """The fields of an SSH wire-format blob (RFC 4251, section 5), `None` if it is cut off."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            return None
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def _public_key(line: str) -> str:
    if fault := public_key_fault(line):
        raise wrong(*fault)
    return line.strip()


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


def _address(text: str) -> str:
    example = 'four numbers from 0 to 255, such as "192.168.1.11"'
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if re.fullmatch(r"[0-9.]+/\d+", text):
            raise wrong("has a prefix length; one host has one address", example) from None
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", text) and re.search(r"\b0[0-9]", text):
            raise wrong(
                "has a number that begins with 0, which can mean two things", example
            ) from None
        raise wrong("is not an IPv4 address", example) from None
    if address.version == 6:
        raise wrong(
            "is an IPv6 address; the hosts of a swarm talk IPv4 to each other here",
            f"the host's IPv4 address: {example}; an IPv6 address may be its ssh_host",
        )
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise wrong(
            "is not an address other hosts can reach",
            "the host's own address in your network, such as "
            '"192.168.1.11"; how you reach it over SSH can differ: ssh_host',
        )
    if address.is_link_local or int(address) >= int(ipaddress.IPv4Address("240.0.0.0")):
        raise wrong("is not an address a host keeps", example)
    return str(address)


def ipv4_network_fault(text: str) -> tuple[str, str] | None:
    """Why a text is not an IPv4 network in CIDR notation; `None` if it is one."""
    example = 'an IPv4 network such as "10.210.0.0/16"'
    if "/" not in text:
        whole = f"{text}/24"
        instead = example if ipv4_network_fault(whole) else f'such as "{whole}"'
        return "is not a network: the prefix length is missing", instead
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "is not a network", example
    if network.version == 6:
        return "is an IPv6 network; swarm's overlays are IPv4 here", example
    if network.prefixlen < 8:
        return "is wider than any private range", example
    if not any(network.subnet_of(private) for private in _PRIVATE):
        return (
            "is not a private range: what else has those addresses, as in the public internet, "
            "containers could then no longer reach",
            f"{example}: one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        )
    if network.prefixlen > 29:
        wider = network.supernet(new_prefix=24)
        return "has room for too few addresses", f'a prefix length of 29 at most, better "{wider}"'
    if ipaddress.ip_interface(text).ip != network.network_address:
        return "has host bits set: the address is not the first of its network", f'"{network}"'
    if not re.fullmatch(r"[0-9.]+/[0-9]+", text):
        return "is not written as a prefix length", f'"{network}"'
    return None


def _network(text: str) -> str:
    if fault := ipv4_network_fault(text):
        raise wrong(*fault)
    return str(ipaddress.IPv4Network(text))


def _not_empty(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise wrong("is empty", "at least one entry")
    return items


_PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


def _version(text: str) -> str:
    if not text or re.fullmatch(r"\d+\.\d+\.\d+(-(rc|beta|alpha)\.\d+)?", text, re.ASCII):
        return text
    found = re.search(r"\d+\.\d+\.\d+", text, re.ASCII)
    short = re.fullmatch(r"v?(\d+)(\.\d+)?", text, re.ASCII)
    if found and text.isascii():
        instead = f'"{found.group()}"'
    elif short:
        instead = f'all three numbers, such as "{short[1]}{short[2] or ".5"}.2"'
    else:
        instead = 'three numbers such as "28.5.2", or leave it out for the newest'
    raise wrong("is not a version of Docker Engine", instead)


def _duration(text: str) -> str:
    try:
        length = seconds(text)
    except ValueError:
        raise wrong(
            "is not a duration: numbers, each with d, h, m or s", 'such as "90d" or "2160h"'
        ) from None
    if length < 3600:
        raise wrong("is shorter than an hour, the least that is accepted", '"1h" or more, as "90d"')
    if length > _LONGEST:
        raise wrong("is longer than a hundred years", '"36500d" or less, as "90d"')
    return text


_LONGEST = 36500 * DURATION_UNITS["d"]
"""The Engine counts nanoseconds in 64 bits, which end after 292 years."""


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


def _fingerprint(text: str) -> str:
    digits = re.sub(r"[\s:]", "", text).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise wrong(
            f"is not a full key fingerprint: {len(digits)} characters, not 40 hexadecimal digits",
            "all 40 digits, as `gpg --show-keys` prints them; short key ids can be forged",
        )
    return digits


def path_fault(text: str) -> tuple[str, str] | None:
    """Why a text is not the path of one place on this machine; `None` if it is, or is empty."""
    if not text.isprintable():
        return "is not a path", 'the path of a file, such as "~/.ssh/id_ed25519"'
    if text != text.strip():
        return "has a space before or after it", f'"{text.strip()}"'
    if text and not text.startswith(("/", "~")):
        return (
            "is a relative path, and would mean another file in every folder",
            f'a path from the root or from your home, such as "~/{text.removeprefix("./")}"',
        )
    if str(from_user(text)).startswith("~"):
        user, _, rest = text[1:].partition("/")
        return (
            f'begins with the home of "{user}", and no user on this machine is called so',
            f'a path from the root or from your home, such as "~/{rest}"',
        )
    return None


def _path(text: str) -> str:
    if fault := path_fault(text):
        raise wrong(*fault)
    return text


def _key_path(text: str) -> str:
    if text.endswith(".pub"):
        raise wrong(
            "is the public half of a key; logging in takes the private one",
            f'"{text.removesuffix(".pub")}"',
        )
    return _path(text)


def _unlock_key_path(text: str) -> str:
    example = '"~/.config/pyinfra-swarm/home.unlock-key"'
    _path(text)
    if text and from_user(text).is_relative_to(ROOT):
        raise wrong(
            "is inside the project's folder, and a key there would be shared with it some day",
            f"a path elsewhere, such as {example}",
        )
    return text


def recipient_fault(text: str) -> tuple[str, str] | None:
    """Why a text is not a public key that age encrypts to, and what to write; `None` if it is."""
    example = '"age1…", as age-keygen prints it, or one line of ~/.ssh/id_ed25519.pub'
    if re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", text):
        return None
    if text.startswith(("age1", "AGE")):
        return "is not an age recipient: 62 letters and digits, the first of them age1", example
    if fault := public_key_fault(text):
        return fault
    kind = text.split()[0]
    if kind not in ("ssh-ed25519", "ssh-rsa"):
        return f"is of the type {kind}, which age does not encrypt to", example
    return None


def _recipient(text: str) -> str:
    text = text.strip()
    if fault := recipient_fault(text):
        raise wrong(*fault)
    return text


def _backup_folder(text: str) -> str:
    if not text:
        raise wrong("is empty", 'the path of a folder on this computer, such as "~/swarm-backups"')
    return _path(text)


def _ssh_host(text: str) -> str:
    if not text or _is_host(text):
        return text
    instead = 'a name or an address alone, such as "rk1.example.org"'
    parts = re.fullmatch(
        r"\s*(?:ssh://)?(?:(?P<user>[^@\s:/]+)@)?(?:\[(?P<six>[^]\s]*)\]|(?P<host>[^@\s:/]+))\.?"
        r"(?::(?P<port>[0-9]{1,5}))?/?\s*",
        text,
    )
    host = parts and (parts["six"] or (parts["host"] or "").rstrip("."))
    if parts and host and _is_host(host):
        instead = f'ssh_host = "{host}"'
        instead += f', ssh_user = "{parts["user"]}"' if parts["user"] else ""
        instead += f", ssh_port = {int(parts['port'])}" if parts["port"] else ""
    raise wrong("is not a host name or an address alone", instead)


def _is_host(text: str) -> bool:
    """Whether it is a name or an address; what ends in digits alone is no name (RFC 1123)."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        label = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
        return len(text) < 254 and bool(re.fullmatch(rf"({label}\.)*(?![0-9]+$){label}", text))


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


def _daemon_key(key: str) -> str:
    if key in DAEMON_OWNED:
        raise wrong(f"is not yours to set: {DAEMON_OWNED[key]}", "take the key out")
    return key


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise wrong(
            "cannot be written into daemon.json", "a text, a number, true or false, a list, a table"
        ) from None
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


def _repository(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = bool(parts.scheme == "https" and parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    # It is written into a file of apt's sources, where a space ends it.
    if not usable or not re.fullmatch(r"[!-~]+", url) or re.search(r"[@?#]", url):
        raise wrong(
            "is not the address of a repository: https, no user, no query, no spaces",
            '"https://download.docker.com/linux", or a mirror of the same layout',
        )
    return url.rstrip("/")


def _log_size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,5}[kmg]", text):
        raise wrong("is not a size: a number with k, m or g", 'such as "10m"')
    return text


def _no_boolean(value: Any) -> Any:
    # Python takes true for the number 1.
    if isinstance(value, bool):
        raise wrong("is not a whole number", "a whole number, without quotes")
    return value


SMALLEST_MTU = 1280
"""Bytes; every link that carries IPv6 has at least that (RFC 8200)."""


def _mtu(number: int) -> int:
    if number and not SMALLEST_MTU <= number <= 65535:
        raise wrong(
            "is not the MTU of a network between hosts",
            f"0 (the smallest the hosts' uplinks have), or {SMALLEST_MTU} to 65535; it is the MTU "
            "of the network underneath: Docker subtracts what encryption takes by itself",
        )
    return number


def _data_path_port(port: int) -> int:
    if not 1024 <= port <= 49151 or port in (2377, 7946):
        raise wrong(
            "is not free for swarm's data path: 1024 to 49151, but not 2377 or 7946",
            "4789, unless something else on the hosts uses that port",
        )
    return port


def _source(text: str) -> str:
    example = 'a network such as "192.168.1.0/24" or "2001:db8::/48", or one address'
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise wrong("is neither a network nor an address", example) from None
    if "%" in text:
        raise wrong("names an interface, which a source has not", example)
    if ipaddress.ip_interface(text).ip != network.network_address:
        raise wrong("has host bits set: the address is not its network's first", f'"{network}"')
    if network.prefixlen == 0:
        raise wrong("is everywhere", "an empty list, [], for everywhere")
    return str(network)


def _source_or_cluster(text: str) -> str:
    return text if text == "cluster" else _source(text)


def _ports(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise wrong("is not a port, nor a range of ports", '51820, or "60000-61000"')
    return str(value) if isinstance(value, int) else value


def _port_range(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text):
        raise wrong("is not a port, nor a range of ports", '51820, or "60000-61000"')
    first, _, last = text.partition("-")
    if not 1 <= int(first) <= int(last or first) <= 65535:
        raise wrong("is not within 1 and 65535, the first port before the last", '"60000-61000"')
    return f"{int(first)}-{int(last)}" if last and int(last) != int(first) else str(int(first))


_NAMED_TIMES = (
    "minutely|hourly|daily|weekly|monthly|quarterly|yearly|annually|(semi-?|bi-?)annually"
)
_DAYS = "mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?"


def _schedule(text: str) -> str:
    # Only systemd knows for certain, on the host; a plain word is wrong more easily than a time.
    plain = not re.search(r"[0-9*]", text)
    words = rf"({_NAMED_TIMES}|({_DAYS})((,|\.\.)({_DAYS}))*)"
    if not re.fullmatch(r"[A-Za-z0-9*:,./~ -]+", text) or (
        plain and not re.fullmatch(words, text.strip(), re.IGNORECASE)
    ):
        raise wrong(
            "is not a time as systemd's OnCalendar takes it",
            '"daily", "hourly", or such as "Mon *-*-* 04:00" (see `man systemd.time`)',
        )
    return " ".join(text.split())


ClusterName = Annotated[str, AfterValidator(_cluster_name), Field(examples=["home"])]
HostName = Annotated[str, AfterValidator(_host_name), Field(examples=["rk1"])]
Address = Annotated[str, AfterValidator(_address), Field(examples=["192.168.1.11"])]
Network = Annotated[str, AfterValidator(_network), Field(examples=["10.200.0.0/16"])]
Networks = Annotated[tuple[Network, ...], AfterValidator(_not_empty)]
Subnet = Annotated[str, AfterValidator(_network), Field(examples=["10.201.0.0/24"])]
OptionalSubnet = Annotated[str, AfterValidator(lambda text: _network(text) if text else text)]
Version = Annotated[str, AfterValidator(_version), Field(examples=["28.5.2"])]
Duration = Annotated[str, AfterValidator(_duration), Field(examples=["90d"])]
UserName = Annotated[str, AfterValidator(_user), Field(examples=["ubuntu"])]
Login = Annotated[str, AfterValidator(_login), Field(examples=["ubuntu"])]
OptionalLogin = Annotated[str, AfterValidator(lambda name: _login(name) if name else name)]
PublicKey = Annotated[str, AfterValidator(_public_key), Field(examples=["ssh-ed25519 AAAA… you"])]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
FilePath = Annotated[str, AfterValidator(_path), Field(examples=["~/.ssh/id_ed25519.pub"])]
KeyPath = Annotated[str, AfterValidator(_key_path), Field(examples=["~/.ssh/id_ed25519"])]
UnlockKeyPath = Annotated[
    str,
    AfterValidator(_unlock_key_path),
    Field(examples=["~/.config/pyinfra-swarm/home.unlock-key"]),
]
Recipient = Annotated[
    str, AfterValidator(_recipient), Field(examples=["age1…", "ssh-ed25519 AAAA… you"])
]
BackupFolder = Annotated[str, AfterValidator(_backup_folder), Field(examples=["~/swarm-backups"])]
SshHost = Annotated[str, AfterValidator(_ssh_host), Field(examples=["rk1.example.org"])]
Whole = Annotated[int, BeforeValidator(_no_boolean)]
Port = Annotated[Whole, Field(ge=1, le=65535, examples=[22])]
OptionalPort = Annotated[Whole, Field(ge=0, le=65535, examples=[22])]
LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value), Field(examples=["nvme"])]
DaemonKey = Annotated[str, AfterValidator(_daemon_key)]
Json = Annotated[Any, AfterValidator(_json)]
NetworkName = Annotated[str, AfterValidator(_network_name), Field(examples=["backend"])]
Repository = Annotated[str, AfterValidator(_repository)]
LogSize = Annotated[str, AfterValidator(_log_size), Field(examples=["10m"])]
Mtu = Annotated[Whole, AfterValidator(_mtu), Field(examples=[1500])]
DataPathPort = Annotated[Whole, AfterValidator(_data_path_port), Field(examples=[4789])]
Source = Annotated[str, AfterValidator(_source), Field(examples=["192.168.1.0/24"])]
SourceOrCluster = Annotated[
    str, AfterValidator(_source_or_cluster), Field(examples=["192.168.1.0/24"])
]
PortRange = Annotated[
    str, BeforeValidator(_ports), AfterValidator(_port_range), Field(examples=[51820])
]
Schedule = Annotated[str, AfterValidator(_schedule), Field(examples=["daily"])]
