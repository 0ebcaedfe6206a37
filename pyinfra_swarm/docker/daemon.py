"""The daemon's configuration, in its file and in the running daemon; and that it runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pyinfra_swarm.docker.paths import DAEMON_JSON, LOADED_JSON
from pyinfra_swarm.engine.versions import major
from pyinfra_swarm.run.findings import ENGINE, Change, Finding, Notice, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.docker.installation import Engine
    from pyinfra_swarm.settings import Settings

FORWARDING = "net.ipv4.ip_forward"
"""The kernel's switch that Docker turns on when it starts."""

HARDENING = {"icc": "icc", "no-new-privileges": "no_new_privileges"}
"""Keys of ``daemon.json`` that are written by default, and the settings that they come from.

The engine reads them at its start only. So a node that was made before they were the default is not
restarted for them (:func:`not_yet`).
"""

SHOWN = frozenset(
    {
        "firewall-backend",
        "icc",
        "ip6tables",
        "iptables",
        "live-restore",
        "log-driver",
        "log-opts.max-file",
        "log-opts.max-size",
        "no-new-privileges",
        "userland-proxy",
    }
)
"""Keys of ``daemon.json`` that this project writes itself: their values are no secrets.

Any other may be one, or hold one: ``proxies`` a password, ``log-opts`` a token.
"""

UNIT_DROP_IN_CONTENT = f"""\
# Written by pyinfra-swarm. Keeps what the daemon has read, so that a restart is asked for only
# when the running daemon really differs from the file.
[Service]
ExecStartPre=-/bin/sh -c 'mkdir -p /run/pyinfra-swarm && cp {DAEMON_JSON} {LOADED_JSON} \
|| rm -f {LOADED_JSON}'
"""


@dataclass(frozen=True, kw_only=True)
class WriteConfiguration(Change):
    """``daemon.json`` gets this content, once the engine has found it valid."""

    content: str = field(repr=False)


@dataclass(frozen=True)
class SwitchForwardingOn(Change):
    """The kernel forwards IPv4 packets again."""


@dataclass(frozen=True)
class EnableAtBoot(Change):
    """The running daemon is started at every boot."""


@dataclass(frozen=True)
class StartDaemon(Change):
    """The daemon is started, now and at every boot."""


@dataclass(frozen=True)
class RestartDaemon(Change):
    """The running daemon is restarted, so that it reads its configuration."""

    restarts: ClassVar[str] = ENGINE


def daemon_json(settings: Settings, version: str, *, extras: bool = True) -> str:
    """The content of ``daemon.json`` for an engine version.

    ``live-restore`` does not work with swarm, and swarm does not work with the nftables back end,
    so both are pinned; engines before 29 refuse the latter's key, engines before 27 ``ip6tables``.
    extras: with the settings' own additions, which only ``dockerd --validate`` can judge.
    """
    content: dict[str, Any] = {
        "iptables": True,
        "live-restore": False,
        "log-driver": "json-file",
        "log-opts": {
            "max-file": str(settings.docker.log_max_files),
            "max-size": settings.docker.log_max_size,
        },
    }
    if not settings.docker.icc:
        content["icc"] = False
    if settings.docker.no_new_privileges:
        content["no-new-privileges"] = True
    if not settings.docker.userland_proxy:
        content["userland-proxy"] = False
    if major(version) >= 27:
        content["ip6tables"] = True
    if major(version) >= 29:
        content["firewall-backend"] = "iptables"
    if extras:
        content.update(settings.docker.daemon)
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def not_yet(settings: Settings, seen: Engine) -> list[str]:
    """The hardening that a host's engine was made without, and that nobody has declared."""
    known = [_keys(text) for text in (seen.daemon_json, seen.loaded_json)]
    if not seen.complete or not known[0]:
        return []
    wanted = _keys(daemon_json(settings, seen.version or "0"))
    return [
        key
        for key, field in HARDENING.items()
        if key in wanted
        and field not in settings.docker.model_fields_set
        and key not in settings.docker.daemon
        and not any(key in keys for keys in known)
    ]


def _keys(text: str | None) -> dict[str, Any]:
    """What a ``daemon.json`` says; nothing where there is none that can be read."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def plan_daemon(settings: Settings, seen: Engine, later: Collection[str] = ()) -> list[Finding]:
    """What differs from a daemon that runs with the declared configuration, and starts at boot.

    later: keys that wait for a job that drains the node (:func:`not_yet`).

    On a host without Docker only the user's additions are left to do: the rest is written with the
    installation.
    """
    wanted = daemon_json(settings, seen.version or "0")
    if later:
        left = {key: value for key, value in json.loads(wanted).items() if key not in later}
        wanted = json.dumps(left, indent=2, sort_keys=True) + "\n"
    if not seen.complete:
        if not settings.docker.daemon:
            return []
        additions = ", ".join(sorted(settings.docker.daemon))
        return [
            WriteConfiguration(
                "daemon.json", "has additions declared", expected=additions, content=wanted
            )
        ]
    findings: list[Finding] = []
    if later:
        names = [f"docker.{HARDENING[key]}" for key in later]
        findings.append(
            Notice(
                "daemon.json",
                "lacks what new nodes have by default, which an engine reads only when it starts",
                expected=_difference(daemon_json(settings, seen.version or "0"), wanted)[0],
                remedy="`pyinfra inventory.py deploys/restart.py` writes it and restarts the "
                f"engines, one drained node at a time; or declare {' and '.join(names)} either way",
            )
        )
    if not same_configuration(seen.daemon_json, wanted):
        expected, found = _difference(wanted, seen.daemon_json)
        findings.append(
            WriteConfiguration(
                "daemon.json",
                "is missing" if seen.daemon_json is None else "differs from what is declared",
                expected=expected,
                found=found,
                content=wanted,
            )
        )
    if not seen.running:
        findings.append(
            StartDaemon("docker.service", "is not running", expected="running and enabled")
        )
        return findings
    if not seen.forwarding:
        findings.append(
            SwitchForwardingOn(
                FORWARDING,
                "was switched off after Docker had started, so containers can neither send nor "
                "receive",
                expected="1",
                found="0",
            )
        )
    if not seen.enabled:
        findings.append(
            EnableAtBoot("docker.service", "does not start at boot", expected="running and enabled")
        )
    if restart_needed(seen, wanted):
        findings.append(
            RestartDaemon(
                "the running Docker daemon", "has not read the configuration that is declared"
            )
        )
    return findings


def restart_needed(seen: Engine, wanted: str) -> bool:
    """Whether the running daemon works with another configuration than the wanted one."""
    if seen.loaded_json is not None:
        return not same_configuration(seen.loaded_json, wanted)
    # It was started without the unit's drop-in: it has read the file, unless that changed since.
    return seen.changed_since_start or not same_configuration(seen.daemon_json, wanted)


def restart_stopped(name: str) -> Refusal:
    """Why no further node's engine is restarted, where that of this host is not back."""
    return Refusal(
        "the running Docker daemon",
        f"is not restarted: {name} has not come back into the swarm since its engine was restarted",
        remedy=f"Bring {name} back (`sudo journalctl -u docker` on it), then run again",
    )


def same_configuration(one: str | None, other: str | None) -> bool:
    """Whether two ``daemon.json`` texts mean the same; a broken one equals nothing."""
    if one is None or other is None:
        return one == other
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def _difference(wanted: str, seen: str | None) -> tuple[str, str]:
    """Of the keys that differ, what is wanted and what is there, for a person; ``""`` where no file
    is there. Of a value that is not one of :data:`SHOWN` only that it is another."""
    mine = _flat(json.loads(wanted))
    try:
        theirs = _flat(json.loads(seen or "{}"))
    except (ValueError, AttributeError):
        return _told(mine, mine), "not valid JSON"
    differing = [key for key in sorted(mine | theirs) if _differs(key, mine, theirs)]
    return _told(differing, mine), _told(differing, theirs, mine) if seen else ""


def _differs(key: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    return key not in one or key not in other or one[key] != other[key]


def _flat(content: Any) -> dict[str, Any]:
    """A ``daemon.json`` with the log's options as keys of their own: ``log-opts.max-size``."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        inner = value.items() if key == "log-opts" and isinstance(value, dict) else ()
        found |= {f"{key}.{name}": option for name, option in inner} or {key: value}
    return found


def _told(
    keys: Iterable[str], values: dict[str, Any], declared: dict[str, Any] | None = None
) -> str:
    """These keys with their values. declared: what they ought to be, where these are a host's."""
    return ", ".join(f"{key}: {_value(key, values, declared)}" for key in keys)


def _value(key: str, values: dict[str, Any], declared: dict[str, Any] | None) -> str:
    if key not in values:
        return "not set"
    value = values[key]
    if key in SHOWN and isinstance(value, bool | int | str):
        return json.dumps(value)
    if declared is None:
        return "as declared"
    return "another value" if key in declared else "set"
