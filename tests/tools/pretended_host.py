"""A host that only pretends: its paths lie in a folder, and shell runs on it for real."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> "$HERE/log"
case "$*" in
  "is-active docker.socket") ;;
  "reset-failed "*) : > "$HERE/burst" ;;
  "start docker")
    echo start >> "$HERE/burst"; [ "$(wc -l < "$HERE/burst")" -le 3 ] || exit 1
    echo $$ >> "$HERE/starts"; echo 1 > "$HERE/run/docker.pid"
    [ "$(wc -l < "$HERE/starts")" -lt "$CONNECTS_AT" ] || : > "$HERE/connected"
    [ ! -e "$HERE/later" ] || mv "$HERE/later" "$HERE/nodes" ;;
  "stop docker") [ ! -e "$HERE/stuck" ] || exit 1; rm -f "$HERE/run/docker.pid" "$HERE/connected" ;;
esac
"""
"""systemd with the limit that docker's unit has: three starts within a minute."""

CURL = """\
#!/bin/sh
for url; do :; done
case "$*" in
  */networks/ingress)
    if [ -e "$HERE/connected" ]; then cat "$HERE/ingress"; else echo '{"Containers":{}}'; fi ;;
  */nodes) cat "$HERE/nodes" ;;
  */nodes/*) cat "$HERE/node" ;;
esac
printf '\\n200'
"""
"""The engine, in the words of a real one: 28.5.2's, recorded."""

FIXTURES = Path(__file__).parents[1] / "unit/fixtures"


def recorded(name: str) -> list[Any]:
    """The documents that an engine has answered, in order."""
    lines = (FIXTURES / f"{name}.txt").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith(("{", "["))]


_, NODES, _ = recorded("swarm-state-manager-28.5.2")
[INGRESS] = recorded("docker-ingress-28.5.2")


def as_json(document: object) -> str:
    """JSON as engines write it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def with_managers(*reachabilities: str) -> str:
    """The recorded list, whose three managers are so."""
    nodes: list[Any] = json.loads(as_json(NODES))
    managers = [one for one in nodes if "ManagerStatus" in one]
    for one, word in zip(managers, reachabilities, strict=True):
        one["ManagerStatus"]["Reachability"] = word
    return as_json(nodes)


ALL = with_managers("reachable", "reachable", "reachable")
ONE_LOST = with_managers("reachable", "reachable", "unreachable")


@dataclass
class Machine:
    """A host whose paths lie in a folder, and whose engine and systemd only pretend."""

    here: Path
    connects_at: int = 1

    def run(self, script: str, text: str = "") -> subprocess.CompletedProcess[str]:
        for place in ("/run/", "/var/lib/docker"):
            script = script.replace(place, f"{self.here}{place}")
        return subprocess.run(
            ["sh", "-c", f"set -eu\n{script}"],
            input=text,
            env={
                "PATH": f"{self.here}/bin:{os.environ['PATH']}",
                "HERE": str(self.here),
                "CONNECTS_AT": str(self.connects_at),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def count(self, command: str) -> int:
        return (self.here / "log").read_text().splitlines().count(command)


def pretended(tmp_path: Path) -> Machine:
    """A manager of a swarm of three, all of them reachable."""
    for folder in ("bin", "run", "var/lib/docker/swarm"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in {"systemctl": SYSTEMCTL, "curl": CURL, "docker": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    for name, text in {
        "var/lib/docker/swarm/docker-state.json": "{}",
        "run/docker.pid": "1\n",
        "nodes": ALL,
        "node": as_json(NODES[1]),
        "ingress": as_json(INGRESS),
        "burst": "",
        "log": "",
        "connected": "",
    }.items():
        (tmp_path / name).write_text(text)
    return Machine(tmp_path)


DESTROYING = """\
#!/bin/sh
echo "$*" >> "$HERE/log"
for url; do :; done
case "$*" in
  */nodes) [ -e "$HERE/answers" ] || { printf 'no leader\\n500'; exit; }; cat "$HERE/nodes" ;;
  */swarm/*) echo "$url" >> "$HERE/destroyed" ;;
esac
printf '\\n200'
"""


def that_can_be_destroyed(machine: Machine) -> Machine:
    """A machine whose engine says what it is asked to, and what it is told to do."""
    (machine.here / "bin/curl").write_text(DESTROYING)
    (machine.here / "bin/sleep").write_text("#!/bin/sh\n")
    (machine.here / "bin/sleep").chmod(0o755)
    (machine.here / "destroyed").touch()
    (machine.here / "bin/docker").write_text("#!/bin/sh\necho abc\n")
    return machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A manager of a swarm of three, all of them reachable."""
    return pretended(tmp_path)


@pytest.fixture
def engine(machine: Machine) -> Machine:
    """The same, with an engine that notes what destroys something."""
    return that_can_be_destroyed(machine)
