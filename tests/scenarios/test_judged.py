"""What outside judges say of a finished host: ssh-audit, docker-bench-security, Lynis.

docs/judged.md tells what they say, before and after, and why what is left stays.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import tarfile
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab import api, apt, commands
from lab.description import Description
from lab.release import machine_release
from tests.scenarios.conftest import on_each, wait_for
from tests.tools import lynis, must_run
from tests.tools.docker_bench import CHECKS

pytestmark = pytest.mark.lifecycle

MANAGER = "node1"


def root(host: str, script: str, timeout: float = 300) -> str:
    return on_each([host], script, timeout=timeout)[host]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Lynis, from the distribution's archive, in one folder: a tar in base64."""
    folder = tmp_path_factory.mktemp("lynis")
    [package] = apt.download(machine_release().sources, ["lynis"], folder / "apt")
    commands.run(["dpkg-deb", "-x", package, folder / "unpacked"])
    return in_one_folder(folder / "unpacked")


def in_one_folder(unpacked: Path) -> str:
    """The program with what it reads beside it, as it is where nobody has installed it."""

    def as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, name in (
            ("usr/sbin/lynis", "lynis"),
            ("usr/share/lynis/include", "include"),
            ("usr/share/lynis/db", "db"),
            ("etc/lynis/plugins", "plugins"),
            ("etc/lynis/default.prf", "default.prf"),
        ):
            tar.add(unpacked / path, name, filter=as_root)
        settings = tarfile.TarInfo("custom.prf")
        settings.size = len(lynis.PROFILE)
        tar.addfile(settings, io.BytesIO(lynis.PROFILE.encode()))
    return base64.b64encode(archive.getvalue()).decode()


RUN_LYNIS = """\
set -e
umask 022
cd "$(mktemp -d)"
base64 -d | tar -xz
./lynis audit system --usecwd --plugin-dir ./plugins --quick --quiet --no-colors --nolog \
    --report-file "$PWD/report" </dev/null >out 2>&1 || { cat out >&2; exit 1; }
cat report
rm -r "$PWD"
"""


def said_by_lynis(host: str, program: str) -> lynis.Report:
    done = api.run(host, ["sudo", "sh", "-c", RUN_LYNIS], stdin=program, timeout=900)
    return lynis.parse(done.stdout)


@pytest.fixture(scope="module")
def before(lab: ModuleType, program: str) -> lynis.Report:
    """What Lynis says of a freshly flashed host."""
    lab.reset()
    return said_by_lynis(MANAGER, program)


@pytest.fixture(scope="module")
def converged(before: lynis.Report, converged: Description) -> Description:
    """The lab with the whole job done on it, once Lynis has seen it without."""
    return converged


def test_lynis_has_no_findings_without_a_reason(
    before: lynis.Report, converged: Description, program: str
) -> None:
    back_end = converged.host(MANAGER).iptables
    if back_end != lynis.BACK_END:
        must_run.give_up(f"what Lynis says of a host whose iptables is {back_end} is not recorded")
    after = said_by_lynis(MANAGER, program)
    print(f"\n  hardening index: {before.index} before, {after.index} now")
    assert after.version == lynis.VERSION
    assert sorted(before.said) == sorted(lynis.expected(before=True))
    assert sorted(after.said) == sorted(lynis.expected(before=False))
    assert before.index <= lynis.INDEX_BEFORE < lynis.INDEX_NOW <= after.index


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
