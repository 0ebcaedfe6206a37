"""Hosts made of namespaces on this machine, each with a real Docker engine, sshd and sudo.

A host has its own network, processes, mounts and name; its root is the machine's with a layer of
its own above, and with the engine, sshd and sudo laid between (:mod:`tests.engines.programs`). The
hosts share a bridge in a network namespace that the machine does not see, and pyinfra runs there.

Everything that a host is lives in memory, in namespaces, and (``/var/lib/docker``) on a disk whose
file has no name: it is gone when this process ends, however it ends. What these hosts are not: they
share the machine's kernel, have no systemd, and a power cut loses no write that the kernel has
already taken.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.disk import USER
from tests.engines.engines import EngineError, Engines
from tests.engines.machines import Host, HostError
from tests.scenarios.conftest import ROOT, Run, environment, pyinfra_argv
from tests.tools.told import of_each

__all__ = ["USER", "EngineError", "Host", "HostError", "Hosts", "Node"]


@dataclass(frozen=True)
class Node:
    """A node, as a manager's engine lists it; the words are the engine's."""

    id: str
    hostname: str
    address: str
    role: str
    availability: str
    state: str
    reachability: str
    leader: bool
    labels: Mapping[str, str]


class Hosts(Engines):
    """Some hosts on a bridge, switched on; a context manager that leaves nothing behind.

    count: how many, named ``rk1`` and so on, at 10.99.0.11 and so on; version: of the engines, or
    one for each host; where none is given, what ``ENGINES_VERSION`` names, or the oldest there is;
    network: the first three numbers of their addresses.
    """

    # The swarm
    # ---------

    def init(self, name: str, **spec: object) -> None:
        """Found a swarm on a host, without the product."""
        address = self.hosts[name].address
        body = {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": address, **spec}
        self.api(name, "/swarm/init", body)

    def join(self, name: str, manager: str, *, role: str = "worker") -> None:
        """Let a host join the swarm of a manager, without the product."""
        token = self.api(manager, "/swarm")["JoinTokens"][role.capitalize()]
        body = {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": self.hosts[name].address,
            "RemoteAddrs": [f"{self.hosts[manager].address}:2377"],
            "JoinToken": token,
        }
        self.api(name, "/swarm/join", body)

    def form(self, managers: Sequence[str], workers: Sequence[str] = ()) -> None:
        """A swarm of so many managers and workers, without the product; the first inits it."""
        first, *others = managers
        self.init(first)
        for name in others:
            self.join(name, first, role="manager")
        self.each(lambda name: self.join(name, first), workers)

    def nodes(self, manager: str) -> dict[str, Node]:
        """What a manager lists, by hostname; a dead twin under its name and its id."""
        found: dict[str, Node] = {}
        for entry in self.api(manager, "/nodes"):
            spec, said = entry["Spec"], entry.get("ManagerStatus") or {}
            node = Node(
                id=entry["ID"],
                hostname=entry["Description"]["Hostname"],
                address=said.get("Addr", "").rpartition(":")[0] or entry["Status"].get("Addr", ""),
                role=spec["Role"],
                availability=spec["Availability"],
                state=entry["Status"]["State"],
                reachability=said.get("Reachability", ""),
                leader=bool(said.get("Leader")),
                labels=spec.get("Labels") or {},
            )
            twin = found.get(node.hostname)
            if twin is None:
                found[node.hostname] = node
            elif twin.state == "down":
                found[node.hostname] = node
                found[f"{twin.hostname} {twin.id}"] = twin
            else:
                found[f"{node.hostname} {node.id}"] = node
        return found

    def swarm(self, name: str) -> dict[str, Any]:
        """What a host's engine says of its own place in a swarm (``docker info``'s part)."""
        found: dict[str, Any] = self.api(name, "/info")["Swarm"]
        return found

    # The controller
    # --------------

    def settings(
        self,
        managers: Sequence[str],
        workers: Sequence[str] = (),
        *,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        availability: Mapping[str, str] | None = None,
        file: str = "cluster.toml",
        **sections: Mapping[str, object],
    ) -> Path:
        """Write a ``cluster.toml`` that declares some of the hosts, and return its path.

        labels, availability: by host; file: its name, for more than one at a time; sections: more
        of the file, as ``swarm={"certificate_expiry": "2h"}``.
        """
        tables: list[tuple[str, Mapping[str, object]]] = []
        for role, names in (("manager", managers), ("worker", workers)):
            for name in names:
                table: dict[str, object] = {
                    "name": name,
                    "address": self.hosts[name].address,
                    "role": role,
                }
                if labels and name in labels:
                    table["labels"] = labels[name]
                if availability and name in availability:
                    table["availability"] = availability[name]
                tables.append(("[[hosts]]", table))
        ssh = {
            "user": USER,
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            "strict_host_keys": "yes",
            **sections.pop("ssh", {}),
        }
        tables += [
            ("[cluster]", {"name": "engines", **sections.pop("cluster", {})}),
            ("[ssh]", ssh),
        ]
        tables += [(f"[{name}]", values) for name, values in sections.items()]
        path = self.folder / file
        path.write_text("\n".join(f"{title}\n{_toml(values)}" for title, values in tables))
        return path

    def pyinfra(
        self,
        *arguments: str,
        settings: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """Run pyinfra's command line as a user does, on a machine that reaches the hosts.

        settings: the ``cluster.toml``; the one last written under its usual name if left out.
        """
        line, told = self.pyinfra_line(*arguments, settings=settings, env=env)
        begun = time.monotonic()
        done = subprocess.run(
            line,
            cwd=ROOT,
            env=told,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout, of_each(done.stderr), time.monotonic() - begun)

    def pyinfra_line(
        self,
        *arguments: str,
        settings: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[list[str], dict[str, str]]:
        """The command and environment of :meth:`pyinfra`, for who starts it in another way.

        It runs in this project's folder, and becomes pyinfra's own process: a signal to it is one
        to pyinfra.
        """
        path = settings or self.folder / "cluster.toml"
        line = ["nsenter", f"--net=/proc/{self._outer}/ns/net", "--", *pyinfra_argv(*arguments)]
        state = str(self.folder / "state")
        own = {"SWARM_SETTINGS": str(path), "XDG_STATE_HOME": state}
        return line, environment({**own, **(env or {})})


def _toml(value: object) -> str:
    """A table's lines, or a value, as TOML."""
    if isinstance(value, Mapping):
        return "".join(f"{key} = {_inline(entry)}\n" for key, entry in value.items())
    return _inline(value)


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_inline(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
