"""What a check costs the controller, up to a thousand hosts: ``python -m tests.bench.scale``.

The hosts are only pretended: each answers every fact at once with what a host of the lab has
said, under its own name and address. So what is measured is all ours, and nothing of it is SSH,
the network or the hosts. The hosts differ in their firewalls (each should know all others), which
costs more than being in sync.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from pyinfra_swarm.drift.report import Report, report
from pyinfra_swarm.drift.run import Request, run
from pyinfra_swarm.drift.target import deploys, target
from pyinfra_swarm.settings import forget, load
from tests.tools.answers import encoded
from tests.tools.facts_page import OF_A_WORKER, RECORDED

RESULTS = Path(__file__).with_name("scale-results.md")
SIZES = (1, 10, 30, 100, 300, 1000)
YARDSTICK, STEEPER = 100, 1.6
"""The size whose slope the last one is compared with, and how much of it is still linear."""
ASKED = "BENCH_ASKED"
"""The variable that names a file: how many commands each host was asked to run, as JSON."""

MANAGER, WORKER = ("node1", "192.168.77.11"), ("node4", "192.168.77.14")


def settings(many: int) -> str:
    """A ``cluster.toml`` with one manager and the rest workers."""
    hosts = [
        f'[[hosts]]\nname = "h{n}"\naddress = "{address(n)}"\n'
        f'role = "{"worker" if n else "manager"}"\n'
        for n in range(many)
    ]
    return '[ssh]\nuser = "debian"\n' + "".join(hosts)


def address(number: int) -> str:
    """The address of the n-th host."""
    return f"172.30.{number // 250}.{number % 250 + 1}"


# Pretending, in pyinfra's process
# --------------------------------


def pretend() -> None:
    """Have every host answer without being asked."""

    def connect(self: Any) -> None:
        connection = SimpleNamespace(is_active=lambda: True, sock=None)
        self.client = SimpleNamespace(get_transport=lambda: connection)

    asked: Counter[str] = Counter()
    atexit.register(lambda: Path(os.environ[ASKED]).write_text(json.dumps(asked)))

    def answer(self: Any, command: Any, *_: Any, **__: Any) -> tuple[bool, CommandOutput]:
        asked[self.host.name] += 1
        said = _said(int(self.host.name.removeprefix("h")), str(command))
        return True, CommandOutput([OutputLine("stdout", line) for line in said])

    SSHConnector.connect = connect  # type: ignore[method-assign]
    SSHConnector.run_shell_command = answer  # type: ignore[method-assign]
    SSHConnector.disconnect = lambda self: None  # type: ignore[method-assign]


def _said(number: int, script: str) -> list[str]:
    for name, known in _scripts().items():
        if known in script:
            return _recorded(name, number)
    raise LookupError(f"nothing was recorded for: {script[:200]}")


@cache
def _scripts() -> dict[str, str]:
    """The script of every recorded fact."""
    found = {}
    for path in RECORDED.glob("*.txt"):
        module, _, name = path.stem.rpartition(".")
        fact = getattr(importlib.import_module(module), name)()
        arguments = {"users": "debian"} if path.stem == "facts.ssh.Effective" else {}
        with suppress(TypeError):  # what needs another argument is asked by no check
            found[path.stem] = str(fact.command(**arguments))
    return found


def _recorded(name: str, number: int) -> list[str]:
    folder, (host, place) = (OF_A_WORKER, WORKER) if number else (RECORDED, MANAGER)
    text = _text(folder / f"{name}.txt").replace(host, f"h{number}")
    text = text.replace(place, address(number))
    if name == "facts.host.Host":
        text = re.sub(r"\b[0-9a-f]{32}\b", f"{number:032x}", text)
        text = re.sub(r"(?<=#> clock\n).*", str(time.time()), text)
    if name == "facts.swarm.State":
        text = _membership(text, number)
    return encoded(text)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _membership(text: str, number: int) -> str:
    """The answers of an engine, with ids of their own and, from the manager, all nodes."""
    before, mark, rest = text.partition("#> answers\n")
    decoder, at, documents = json.JSONDecoder(), 0, []
    for _ in range(3):
        document, end = decoder.raw_decode(rest[at:].lstrip())
        at += len(rest[at:]) - len(rest[at:].lstrip()) + end
        documents.append(document)
    info, nodes, networks = documents
    info["Swarm"] |= {"NodeID": f"id{number:023}", "NodeAddr": address(number)}
    if isinstance(nodes, list):
        nodes = _nodes(nodes)
    lines = "\n".join(json.dumps(document) for document in (info, nodes, networks))
    return before + mark + lines + rest[at:]


def _nodes(recorded: list[Any]) -> list[Any]:
    leader = next(node for node in recorded if (node.get("ManagerStatus") or {}).get("Leader"))
    worker = next(node for node in recorded if not node.get("ManagerStatus"))
    made = []
    for n, _ in enumerate(load().hosts):
        node = json.loads(json.dumps(worker if n else leader))
        node["ID"], node["Description"]["Hostname"] = f"id{n:023}", f"h{n}"
        node["Status"]["Addr"] = address(n)
        if not n:
            node["ManagerStatus"]["Addr"] = f"{address(n)}:2377"
        made.append(node)
    return made


# Measuring
# ---------


def measure(many: int, folder: Path) -> tuple[float, Report, dict[str, int]]:
    """The seconds that a check of so many hosts takes, what it found, what each was asked."""
    path, asked = folder / f"{many}.toml", folder / f"{many}.json"
    os.environ[ASKED] = str(asked)
    path.write_text(settings(many))
    os.environ["SWARM_SETTINGS"] = str(path)
    forget()
    wanted = target((), lab=False)
    ran = run(Request(inventory="tests/bench/scale_inventory.py", timeout=3000))
    made = report(ran, wanted.hosts, at=datetime.now(UTC), deploys=deploys(), timeout=3000)
    if made.problem or made.incomplete:
        said = made.problem or "; ".join(f"{h.name}: {h.unknown}" for h in made.incomplete[:3])
        raise SystemExit(f"{many} hosts were not looked at: {said}\n{ran.log[-2000:]}")
    return ran.seconds, made, json.loads(asked.read_text())


def slopes(seconds: Mapping[int, float]) -> dict[int, float]:
    """What each further host costs, in milliseconds, by the size that it leads to."""
    sizes = list(seconds)
    return {
        many: 1000 * (seconds[many] - seconds[fewer]) / (many - fewer)
        for fewer, many in pairwise(sizes)
    }


def is_linear(further: Mapping[int, float]) -> bool | None:
    """Whether the last hosts cost as much as those up to 100; ``None`` where that is not known."""
    if YARDSTICK not in further or max(further) == YARDSTICK:
        return None
    return further[max(further)] <= STEEPER * further[YARDSTICK]


def main(words: Sequence[str]) -> int:
    """Print what a check costs, by the number of hosts, and keep the results; 1: not linear."""
    lines = [
        "# Results of `python -m tests.bench.scale`",
        "",
        f"{time.strftime('%Y-%m-%d')}. Linear is taken to mean: the last hosts cost at most "
        f"{STEEPER} times what those up to {YARDSTICK} do.",
        "",
        "| hosts | s | ms per further host | commands on the manager | on each other host "
        "| differences |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    print("\n".join(lines), flush=True)
    seconds: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for many in sorted({int(word) for word in words} or SIZES):
            seconds[many], made, asked = measure(many, Path(folder))
            of_manager = asked.pop("h0")
            of_others = (
                " to ".join(map(str, sorted({min(n), max(n)}))) if (n := asked.values()) else ""
            )
            further = slopes(seconds)
            slope = f"{further[many]:.0f}" if further else ""
            lines.append(
                f"| {many} | {seconds[many]:.1f} | {slope} | {of_manager} | {of_others} "
                f"| {len(made.differences)} |"
            )
            print(lines[-1], flush=True)
    linear = is_linear(slopes(seconds))
    if linear is not None:
        lines += ["", "Linear." if linear else "Not linear."]
        print("\n".join(lines[-2:]))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if linear is False else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
