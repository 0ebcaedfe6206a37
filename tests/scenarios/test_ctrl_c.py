"""Ctrl-C at random moments: a run always ends, with 130 and a last line that is true."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest

from tests.scenarios.conftest import ROOT, SITE, Run, environment, on_each, pyinfra_argv

pytestmark = pytest.mark.lifecycle

HOSTS = ("node1", "node2", "node3", "node4")
TIMES = int(os.environ.get("INTERRUPTIONS", "50"))
PATIENCE = 40
"""Seconds for a machine on which everything is slow; the run itself has 25 at most."""

FOREIGN = "-s 198.51.100.77/32 -j ACCEPT"
"""A rule that is not declared: a run takes it away, guarded by the rollback."""


@dataclass(frozen=True)
class Ended:
    """How a run has ended that was interrupted after so many seconds.

    answered: seconds until it said that it is ending; took: until it had ended.
    """

    status: int
    shown: str
    after: float
    took: float

    @property
    def closing(self) -> str:
        found = re.search(r"(?m)^The run was interrupted; .*$", self.shown)
        return found[0] if found else ""


def interrupted(after: float, *arguments: str) -> Ended:
    """Start a run, and send it what a terminal sends, after some seconds."""
    process = subprocess.Popen(
        pyinfra_argv(*arguments),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        shown = process.communicate(timeout=after)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        shown = process.communicate(timeout=PATIENCE)[0]
        return Ended(process.returncode, shown, after, time.monotonic() - begun)
    return Ended(process.returncode, shown, after, 0)


def length_of(*arguments: str) -> float:
    begun = time.monotonic()
    done = subprocess.run(
        pyinfra_argv(*arguments),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - begun


def assert_well_ended(ended: Ended) -> None:
    assert ended.status == 130, f"after {ended.after:.2f} s: {ended.status}\n{ended.shown}"
    assert "Ending" in ended.shown
    assert ended.closing, f"after {ended.after:.2f} s:\n{ended.shown}"
    assert "Traceback" not in ended.shown


@pytest.fixture(scope="module")
def moments() -> random.Random:
    seed = int(os.environ.get("SEED", "0")) or int(time.time())
    print(f"SEED={seed}")
    return random.Random(seed)


def test_of_planning(lab: ModuleType, pyinfra: Callable[..., Run], moments: random.Random) -> None:
    assert pyinfra("-y", *SITE).returncode == 0
    whole = length_of("--dry", *SITE)
    ended = []
    for _ in range(TIMES // 2):
        # From when pyinfra has read the inventory: before, it answers by itself.
        one = interrupted(moments.uniform(0.45 * whole, 0.95 * whole), "--dry", *SITE)
        if one.took:
            assert_well_ended(one)
            assert one.closing == "The run was interrupted; nothing was changed."
            assert one.took < PATIENCE / 2
            ended.append(one)
    assert len(ended) > TIMES // 4


def rules() -> dict[str, bool]:
    """On which hosts the rule is that a run takes away."""
    said = on_each(HOSTS, f"iptables -S SWARM-INPUT | grep -c -- '{FOREIGN}' || true")
    return {name: words.strip() != "0" for name, words in said.items()}


def test_of_changes_also_while_they_are_guarded(
    lab: ModuleType, pyinfra: Callable[..., Run], moments: random.Random
) -> None:
    """The firewall of four hosts is changed; each takes its change back, or has confirmed it."""
    firewall = ("-y", "inventory.py", "deploys/firewall.py")
    spoil = f"iptables -C SWARM-INPUT {FOREIGN} 2>/dev/null || iptables -I SWARM-INPUT {FOREIGN}"
    on_each(HOSTS, spoil)
    whole = length_of(*firewall)
    ended, touched = [], 0
    for _ in range(TIMES - TIMES // 2):
        on_each(HOSTS, spoil)
        one = interrupted(moments.uniform(0.3 * whole, 0.98 * whole), *firewall)
        if not one.took:
            continue
        assert_well_ended(one)
        ended.append(one)
        if one.closing.endswith("nothing was changed."):
            assert all(rules().values()), one.shown
        else:
            touched += 1
    assert len(ended) > TIMES // 4
    assert touched, "none was met while something was changed"
    # Whatever they were in the middle of, the next run completes it.
    done = pyinfra("-y", *SITE)
    assert done.returncode == 0, done.output
    assert not any(rules().values())
    said = on_each(HOSTS, "ls /var/lib/pyinfra-swarm/rollback/* 2>/dev/null || true")
    assert not any("armed" in words for words in said.values())
