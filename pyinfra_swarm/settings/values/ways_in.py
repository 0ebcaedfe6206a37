"""What is meant on a host although it looks like a way in: accounts, ports, jobs, containers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.values.refused import wrong


def _account(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", name):
        raise wrong(
            "is not the name of an account: letters, digits, _ . and -, 32 at most, no digit first",
            'a name such as "backup"',
        )
    return name


def _host_path(text: str) -> str:
    if not re.fullmatch(r"/[\w./@+-]+", text, re.ASCII) or ".." in text.split("/"):
        raise wrong(
            "is not the whole path of a file on the hosts",
            'a path such as "/home/ada/.ssh/rc"',
        )
    return text


def _listening(text: str) -> str:
    port, slash, protocol = text.partition("/")
    if slash:
        if protocol not in ("tcp", "udp") or not (port.isdecimal() and 0 < int(port) < 65536):
            raise wrong("is not a port with its protocol", '"9100/tcp", or the name of a process')
        return f"{int(port)}/{protocol}"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:+-]{0,14}", text):
        raise wrong(
            "is neither a port with its protocol nor the name of a process (15 letters at most, as "
            "`ss -p` shows it)",
            '"9100/tcp", or "tailscaled"',
        )
    return text


def _job(text: str) -> str:
    if text.startswith("/"):
        return _host_path(text)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}", text):
        raise wrong(
            "is neither the path of a job nor the name of a service",
            '"/etc/cron.d/rules", or "salt-minion"',
        )
    return text.removesuffix(".service")


def _engine_host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:/\[\]_-]{1,200}", text):
        raise wrong("is not an address as dockerd -H takes it", '"tcp://127.0.0.1:2376"')
    return text


def _container(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}", name):
        raise wrong(
            "is not the name of a service or a container: letters, digits, _ . and -",
            'a name such as "portainer_agent"',
        )
    return name


AccountName = Annotated[str, AfterValidator(_account), Field(examples=["backup"])]

HostPath = Annotated[str, AfterValidator(_host_path), Field(examples=["/home/ada/.ssh/rc"])]

Listening = Annotated[str, AfterValidator(_listening), Field(examples=["9100/tcp"])]

Job = Annotated[str, AfterValidator(_job), Field(examples=["/etc/cron.d/rules"])]

EngineHost = Annotated[str, AfterValidator(_engine_host), Field(examples=["tcp://127.0.0.1:2376"])]

ContainerName = Annotated[str, AfterValidator(_container), Field(examples=["portainer_agent"])]

SshdKeyword = Literal[
    "AuthorizedKeysCommand",
    "AuthorizedPrincipalsCommand",
    "AuthorizedPrincipalsFile",
    "PermitUserEnvironment",
    "TrustedUserCAKeys",
]
