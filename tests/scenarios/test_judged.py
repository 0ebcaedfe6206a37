"""What outside judges say of a finished host: ssh-audit, docker-bench-security.

docs/judged.md tells what they say, before and after, and why what is left stays.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from lab import api
from lab.description import Description
from tests.scenarios.conftest import on_each, wait_for
from tests.tools.docker_bench import CHECKS

pytestmark = pytest.mark.lifecycle

MANAGER = "node1"


def root(host: str, script: str, timeout: float = 300) -> str:
    return on_each([host], script, timeout=timeout)[host]


def test_what_docker_bench_looks_at_holds_or_has_its_reason(converged: Description) -> None:
    lines = [
        f"if ({check.shell}) >/dev/null 2>&1; then echo '{check.number} holds'; "
        f"else echo '{check.number} does not'; fi"
        for check in CHECKS
        if check.shell
    ]
    said = root(MANAGER, "\n".join(lines))
    expected = [
        f"{check.number} {'holds' if check.holds else 'does not'}"
        for check in CHECKS
        if check.shell
    ]
    assert said.strip().splitlines() == expected


def test_ssh_audit_fails_nothing_and_warns_of_what_our_own_client_needs(
    converged: Description,
) -> None:
    for host in converged.hosts:
        done = subprocess.run(
            [sys.executable, "-m", "ssh_audit", "-j", "-p", str(host.ssh_port), host.ssh_host],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        report: dict[str, Any] = json.loads(done.stdout)
        said = {
            (one["algorithm"], level)
            for kind in ("kex", "key", "enc", "mac")
            for one in report[kind]
            for level in ("fail", "warn")
            if level in one.get("notes", {})
        }
        assert said == {
            ("curve25519-sha256", "warn"),
            ("curve25519-sha256@libssh.org", "warn"),
        }, host.name
    # sshd shuts out who comes often and never logs in: the next test would meet that.
    for host in converged.hosts:
        wait_for(partial(logs_in, host.name), f"logins to {host.name}")


def logs_in(host: str) -> bool:
    return bool(api.run(host, ["true"], check=False).returncode == 0)
