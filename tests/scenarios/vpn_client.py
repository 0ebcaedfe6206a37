"""The owner's laptop in the lab's network, with WireGuard; and pyinfra, run on it.

It is the namespace of the lab's bridge and gateway: from there hosts are reached at their own
addresses, and WireGuard's packets are not in the way of anybody else.
"""

from __future__ import annotations

import os
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import network
from lab.description import Description
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.lab import as_settings
from pyinfra_swarm.vpn.client import KeyPair, configuration, key_pair
from tests.scenarios.conftest import ROOT, Run, environment, pairs, pyinfra_argv

INTERFACE = "home"
LAPTOP, PHONE = "10.202.0.100", "10.202.0.101"


@dataclass(frozen=True)
class Laptop:
    """folder: for its files; keys: of the laptop, and of somebody who is only declared."""

    lab: Description
    folder: Path
    host: str
    keys: KeyPair = field(default_factory=key_pair, repr=False)
    others: KeyPair = field(default_factory=key_pair, repr=False)

    def inside(self, words: Sequence[str]) -> list[str]:
        return network.inside(self.lab.namespace, words)

    # Settings
    # --------

    def settings(
        self,
        name: str,
        *,
        through: bool = False,
        peers: Sequence[str] = ("laptop",),
        rollback_after: int = 20,
        more: str = "",
        **firewall: Any,
    ) -> Path:
        """A settings file; through: the host is reached at its address in the VPN."""
        values = as_settings(self.lab)
        ssh = {
            **values["ssh"],
            "known_hosts": str(self.folder / "known_hosts"),
            "strict_host_keys": "accept-new",
            "rollback_after": rollback_after,
        }
        text = "[cluster]\n" + pairs(values["cluster"]) + "[ssh]\n" + pairs(ssh)
        text += "[docker]\n" + pairs(values["docker"])
        text += "[access]\n" + pairs({"vpn": "wireguard"})
        known = {"laptop": (self.keys, LAPTOP), "phone": (self.others, PHONE)}
        for peer in peers:
            keys, address = known[peer]
            text += "[[access.wireguard.peers]]\n"
            text += pairs({"name": peer, "public_key": keys.public, "address": address})
        text += "[firewall]\n" + pairs(firewall)
        for host in values["hosts"]:
            address = vpn_address(host["name"])
            by_vpn = through and host["name"] == self.host
            direct = {"ssh_host": address if by_vpn else host["address"], "ssh_port": 22}
            text += "[[hosts]]\n" + pairs({**host, **direct, "vpn_address": address})
        path = self.folder / f"{name}.toml"
        path.write_text(text + more)
        return path

    # Runs
    # ----

    def command(self, *words: str) -> list[str]:
        return self.inside(pyinfra_argv(*words))

    def run(self, settings: Path, *words: str, timeout: float = 500) -> Run:
        """`pyinfra …` on the laptop."""
        begun = time.monotonic()
        done = subprocess.run(
            self.command("-y", "--limit", self.host, "inventory.py", *words),
            cwd=ROOT,
            env=environment({"SWARM_SETTINGS": str(settings)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)

    @contextmanager
    def running(self, settings: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """`pyinfra …`, while it runs; whatever it is at then, it is killed."""
        with subprocess.Popen(
            self.command("-y", "--limit", self.host, "inventory.py", *words),
            cwd=ROOT,
            env=environment({"SWARM_SETTINGS": str(settings)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    # Getting in
    # ----------

    def ssh(self, address: str, script: str = "true", timeout: float = 12) -> str | None:
        """What root says there over a new login; ``None`` where there is none."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "8",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        login = f"{self.lab.host(self.host).user}@{address}"
        try:
            done = subprocess.run(
                self.inside(["ssh", *words, "-i", self.lab.ssh_key, login, "sudo", "sh"]),
                input=script,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    @property
    def lan(self) -> str:
        """The host's own address."""
        return self.lab.host(self.host).address

    @property
    def vpn(self) -> str:
        """Its address in the VPN."""
        return vpn_address(self.host)

    def any_way(self, script: str = "true") -> str | None:
        """By whichever way the owner gets in now."""
        for address in (self.lan, self.vpn):
            if (said := self.ssh(address, script)) is not None:
                return said
        return None

    # WireGuard
    # ---------

    def connect(self, settings: Settings, public_key: str) -> None:
        """As `pyinfra-swarm wireguard add` says."""
        self.disconnect()
        text = configuration(settings, "laptop", LAPTOP, self.keys.private, {self.host: public_key})
        path = self.folder / f"{INTERFACE}.conf"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        done = subprocess.run(
            self.inside(["wg-quick", "up", str(path)]), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def disconnect(self) -> None:
        subprocess.run(self.inside(["ip", "link", "delete", "dev", INTERFACE]), capture_output=True)


def vpn_address(host: str) -> str:
    return f"10.202.0.{host.removeprefix('node')}"


def read(path: Path) -> Settings:
    """A settings file as a value."""
    return Settings(**tomllib.loads(path.read_text()))
