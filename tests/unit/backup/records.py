"""Backups that this computer has written, at times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyinfra_swarm.backup.record import Found, Written, file_name
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.settings import Settings
from tests.builders import declared
from tests.unit.backup.test_archive import ABOUT

NOW = 1795576500


def settings(keep: int) -> Settings:
    return declared(1, 0, backup={"keep": keep})


def written(taken: int = NOW, **more: Any) -> Written:
    name = file_name("home", "rk2", taken)
    entry = Written(f"{taken:064x}", 100, name, ABOUT.cluster, "home", "rk2", taken)
    return replace(entry, **more)


def ours(*times: int) -> list[Found]:
    return [Found(entry.file, entry) for entry in map(written, times)]


def said(findings: list[Any]) -> str:
    assert all(isinstance(finding, Notice) for finding in findings)
    return "\n".join(finding.sentence() for finding in findings)
