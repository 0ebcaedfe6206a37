"""Settings of Docker Engine: its version, its repository, its `daemon.json`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.values.refused import wrong

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


Version = Annotated[str, AfterValidator(_version), Field(examples=["28.5.2"])]

Repository = Annotated[str, AfterValidator(_repository)]

LogSize = Annotated[str, AfterValidator(_log_size), Field(examples=["10m"])]

DaemonKey = Annotated[str, AfterValidator(_daemon_key)]

Json = Annotated[Any, AfterValidator(_json)]
