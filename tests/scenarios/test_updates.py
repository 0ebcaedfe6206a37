"""Updates on a real host: check → converge → idempotence → verify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HOST = "node3"
DEPLOY = ("--limit", HOST, "inventory.py", "deploys/updates.py")


@pytest.mark.lifecycle
def test_updates_converge_and_stay(lab: Any, pyinfra: Callable[..., Any]) -> None:
    lab.run(
        HOST,
        "sudo rm -f /etc/apt/apt.conf.d/90pyinfra-swarm /etc/apt/apt.conf.d/20auto-upgrades;"
        " sudo systemctl disable --now apt-daily.timer systemd-timesyncd",
    )

    check = pyinfra("--dry", *DEPLOY)
    assert check.returncode == 0, check.stderr
    assert "APT::Periodic::Unattended-Upgrade" in check.stderr
    assert "time synchronisation" in check.stderr
    assert lab.run(HOST, "ls /etc/apt/apt.conf.d | grep -c pyinfra || true").stdout.strip() == "0"

    converge = pyinfra("-y", *DEPLOY)
    assert converge.returncode == 0, converge.stderr

    again = pyinfra("-y", *DEPLOY)
    assert again.returncode == 0, again.stderr
    assert "Nothing was changed" in again.stderr

    # Verified by what unattended-upgrades itself says and does, not by our facts.
    assert lab.run(HOST, "systemctl is-active apt-daily.timer").stdout.strip() == "active"
    assert lab.run(HOST, "timedatectl show -p NTP --value").stdout.strip() == "yes"
    said = lab.run(HOST, "sudo unattended-upgrade --dry-run --debug 2>&1 || true").stdout
    assert "docker-ce" in said
