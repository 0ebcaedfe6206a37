"""Taking the firewall off a host: its script, run in a folder with stand-ins."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyinfra_swarm.firewall import operations
from pyinfra_swarm.firewall.paths import FILES, INTERFACES, LISTS, LOCKS, WANTS

PLACES = ("/etc/pyinfra-swarm", "/etc/systemd", "/usr/local/lib", "/var/lib", "/run/pyinfra-swarm")


@dataclass(frozen=True)
class Host:
    """A host whose firewall's files lie in a folder. IPv6 is not spoken."""

    root: Path

    def path(self, path: str) -> Path:
        return Path(f"{self.root}{path}")

    def iptables(self, text: str) -> None:
        self.tool("iptables", text)

    def tool(self, name: str, text: str) -> None:
        (self.root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.root / "bin" / name).chmod(0o755)

    def removed(self) -> subprocess.CompletedProcess[str]:
        """What the operation does."""
        script = operations._REMOVE.replace("\nPATH=", f"\nPATH={self.root}/bin:", 1)
        script = script.replace("/proc/net", f"{self.root}/proc")
        for place in PLACES:
            script = script.replace(place, f"{self.root}{place}")
        return subprocess.run(
            ["sh", "-c", f"set -eu\n{script}"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}"},
        )

    def left(self) -> list[str]:
        """The firewall's paths that are still there."""
        every = (*FILES, *WANTS.values(), LISTS, INTERFACES, *LOCKS)
        return [path for path in every if self.path(path).exists()]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    for folder in ("bin", "proc"):
        (tmp_path / folder).mkdir()
    for path in (*FILES, *WANTS.values(), f"{LISTS}/ipv4", f"{INTERFACES}/list", *LOCKS):
        made.path(path).parent.mkdir(parents=True, exist_ok=True)
        made.path(path).touch()
    made.tool("systemctl", "exit 0")
    return made


GONE = "case $* in *-S) echo -P INPUT ACCEPT ;; *) exit 1 ;; esac"


def test_nothing_of_it_is_left(host: Host) -> None:
    host.iptables(GONE)
    done = host.removed()
    assert (done.returncode, done.stderr, host.left()) == (0, "", [])


@pytest.mark.parametrize(
    "says",
    ["exit 1", "exit 4"]
    + [
        f"case $* in *-S) echo -P INPUT ACCEPT; echo -N {chain} ;; *) exit 1 ;; esac"
        for chain in ("SWARM-INPUT", "SWARM-WEB", "SWARM-PUBLISHED")
    ],
)
def test_rules_that_are_still_there_are_told_and_another_run_takes_them_out(
    host: Host, says: str
) -> None:
    """With the files there, a reboot would load them again."""
    host.iptables(says)
    done = host.removed()
    assert done.returncode == 1
    assert "its rules could not be taken out of the kernel" in done.stderr
    assert host.left() == []
    host.iptables(GONE)
    assert host.removed().returncode == 0


def test_a_chain_of_somebody_elses_is_none_of_the_rules(host: Host) -> None:
    host.iptables("case $* in *-S) echo -N SWARM-INPUTS; echo -N MY-SWARM-WEB ;; *) exit 1 ;; esac")
    assert host.removed().returncode == 0
