"""Namespaces with real iptables in either of its back ends, and our script in them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyinfra_swarm.firewall import host_files, paths
from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.iptables_save import parse_save
from pyinfra_swarm.firewall.policy import FAMILIES, Family, Opening, Policy
from pyinfra_swarm.firewall.rules import Chains, chains
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from tests.tools import must_run

COMMANDS: dict[Family, str] = {"ipv4": "iptables", "ipv6": "ip6tables"}
POLICY = Policy(
    peers=("192.168.1.11", "192.168.1.12", "192.168.1.13"),
    manager=True,
    ssh_sources=("192.168.1.0/24", "2001:db8::/32"),
    openings=(
        Opening("51820", "udp"),
        Opening("8000-8010", "tcp", ("192.168.1.0/24", "2001:db8::/32", "cluster")),
    ),
)
INTERFACES = Interfaces(docker=("kuh",), outside=("br-lan", "eth0"))


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "namespaces and iptables need root: sudo .venv/bin/python -m pytest tests/netns"
    for command in ("unshare", "nsenter", "ip", "iptables-nft", "iptables-legacy", "curl"):
        if shutil.which(command) is None:
            return f"there is no {command} here"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    if mine and (why := _why_not()):
        must_run.skip(mine, why)


class Failed(Exception):
    """A command in a namespace ended with a status other than 0."""


@dataclass
class Namespace:
    """A network (and mount) namespace of its own; commands run in it as on a host."""

    pid: int

    def run(
        self, *command: str, check: bool = True, text: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command: its words, or one line for ``sh``."""
        words = command if len(command) > 1 else ("sh", "-c", *command)
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-n", "-m", "--", *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, **env},
        )
        if check and done.returncode:
            raise Failed(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """Start a command that goes on."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self.pid), "-n", "-m", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **env},
        )


@dataclass
class Host(Namespace):
    """A host with our files below a folder.

    backend: of its plain ``iptables``; root: where the script finds its files.
    """

    backend: str
    root: Path

    def use(self, backend: str, folder: Path) -> None:
        """Let ``iptables`` mean this back end, as update-alternatives would, here alone."""
        links = folder / "alternatives"
        self.run(f"cp -a /etc/alternatives {links}")
        for command in COMMANDS.values():
            for suffix in ("", "-save", "-restore"):
                link = links / f"{command}{suffix}"
                link.unlink()
                link.symlink_to(f"/usr/sbin/{command}-{backend}{suffix}")
        self.run(f"mount --bind {links} /etc/alternatives")

    def install(self, policy: Policy = POLICY, urls: dict[Family, str] | None = None) -> None:
        """Write what the deploy would write."""
        rules = {family: chains(policy, family) for family in FAMILIES}
        refreshed = policy.web == "cloudflare"
        found = host_files.files(rules, refreshed=refreshed, schedule="daily")
        found[paths.SCRIPT] = host_files.script(urls)
        for path, text in found.items():
            place = self.path(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.knows(INTERFACES)
        self.path(paths.LISTS).mkdir(parents=True, exist_ok=True)
        self.path("/run").mkdir(exist_ok=True)
        for family in FAMILIES:
            self.list(family).write_text("\n".join(SHIPPED[family]) + "\n")

    def knows(self, interfaces: Interfaces) -> None:
        """Write the host's own list of its interfaces."""
        place = self.path(paths.INTERFACE_LIST)
        place.parent.mkdir(parents=True, exist_ok=True)
        named = {"docker": interfaces.docker, "outside": interfaces.outside}
        place.write_text("".join(f"{w} {name}\n" for w, names in named.items() for name in names))

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def list(self, family: Family) -> Path:
        return self.path(f"{paths.LISTS}/{family}")

    def firewall(
        self, *arguments: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run our script."""
        script = str(self.path(paths.SCRIPT))
        return self.run("sh", script, *arguments, check=check, FIREWALL_ROOT=str(self.root), **env)

    def saved(self, family: Family = "ipv4") -> str:
        """What ``iptables-save`` prints, without dates and counters."""
        text = self.run(f"{COMMANDS[family]}-save").stdout
        lines = [line.partition(" [")[0] for line in text.splitlines() if not line.startswith("#")]
        return "\n".join(lines)

    def table(self, family: Family = "ipv4") -> Chains:
        """Chain to rules of the filter table."""
        tables, errors = parse_save(self.run(f"{COMMANDS[family]}-save").stdout.splitlines())
        assert not errors
        return {name: chain.rules for name, chain in tables.get("filter", {}).items()}


def namespace() -> subprocess.Popen[str]:
    """A process that keeps namespaces of its own alive; it says so once they are there."""
    process = subprocess.Popen(
        # Its own /run, too: iptables-legacy has its lock there.
        [
            *("unshare", "-n", "-m", "sh", "-c"),
            "mount -t tmpfs none /run; ip link set lo up; echo; exec sleep infinity",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture(params=["nft", "legacy"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A host with nothing on it; ``iptables`` means the back end of the parameter."""
    process = namespace()
    try:
        made = Host(process.pid, backend=request.param, root=tmp_path / "root")
        made.root.mkdir()
        made.use(request.param, tmp_path)
        yield made
    finally:
        process.kill()
        process.wait()
