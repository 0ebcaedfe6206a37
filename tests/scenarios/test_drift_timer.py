"""The drift check's timer on a real systemd."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pyinfra_swarm.drift.schedule import UNIT, Schedule, install, remove, show
from tests.scenarios.conftest import (
    ROOT,
    on_each,
    wait_for,
)
from tests.scenarios.drift_cluster import PYINFRA, Cluster, converged
from tests.scenarios.test_create import names


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    yield from converged(lab, pyinfra, tmp_path_factory.mktemp("keys"))


FORWARD = """\
#!{python} -P
# A controller's command, given to the systemd of a host: the units first, then the words.
import json, pathlib, shlex, sys
given = json.loads(pathlib.Path(__file__).with_name("given.json").read_text())
sys.path.insert(0, given["root"])
from lab import api
there, script = given["there"], ""
for path in pathlib.Path(given["units"]).glob("*.*"):
    script += f"printf %s {{shlex.quote(path.read_text())}} > {{there}}/{{path.name}}\\n"
if not script:
    script = f"rm -f {{there}}/{{given['unit']}}.*\\n"
script += given["prefix"] + shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
words = [*given["as"], "sh", "-c", f"mkdir -p {{there}}\\n{{script}}"]
done = api.run(given["host"], words, check=False)
sys.stdout.write(done.stdout)
sys.stderr.write(done.stderr)
sys.exit(done.returncode)
"""
USERS_MANAGER = """\
systemctl start user-runtime-dir@{uid}
systemd-run -q -u users-manager --uid={login} -E XDG_RUNTIME_DIR=/run/user/{uid} \
  -E HOME=/home/{login} -p Delegate=yes -p Type=notify /usr/lib/systemd/systemd --user
"""
"""Elsewhere libpam-systemd starts it (``loginctl enable-linger``); the lab's hosts have none."""
STUB = "#!/bin/sh\necho checking $*\nsleep {seconds}\nexit 2\n"


@pytest.mark.lifecycle
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_timer_is_installed_fires_is_shown_and_removed_on_a_real_systemd(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: bool
) -> None:
    lab, host = cluster.lab, names(cluster.found)[-1]
    login = cluster.found.host(host).user
    uid = lab.run(host, "id -u").stdout.strip()
    there = f"/home/{login}/.config/systemd/user" if user else "/etc/systemd/system"
    state = f"/home/{login}/.local/state/{UNIT}" if user else f"/var/lib/{UNIT}"
    prefix = f"export XDG_RUNTIME_DIR=/run/user/{uid}; " if user else ""
    begun = lab.run(host, "date +%s").stdout.strip()
    asked = ["sudo", "-u", login] if user else ["sudo"]

    def systemctl(words: str) -> str:
        return str(lab.run(host, [*asked, "sh", "-c", prefix + words], check=False).stdout)

    units, commands = tmp_path / "units", tmp_path / "bin"
    commands.mkdir()
    given = {
        "root": str(ROOT),
        "units": str(units),
        "unit": UNIT,
        "host": host,
        "there": there,
        "prefix": prefix,
        "as": asked,
    }
    (commands / "given.json").write_text(json.dumps(given))
    for name in ("systemctl", "systemd-analyze"):
        (commands / name).write_text(FORWARD.format(python=sys.executable))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setattr("pyinfra_swarm.drift.schedule.folder", lambda **_: units)
    lab.run(host, ["sudo", "tee", "/bin/stub"], stdin=STUB.format(seconds=3))
    lab.run(host, "sudo chmod 755 /bin/stub")
    if user:
        on_each([host], USERS_MANAGER.format(uid=uid, login=login))
    schedule = Schedule(
        when="*:*:0/2", jitter=0, python="/bin/stub", root="/", timeout=20, user=user
    )
    ctl = "systemctl --user" if user else "systemctl"
    try:
        assert "The check runs *:*:0/2" in install(schedule)
        wait_for(
            lambda: journal(lab, host, begun).count("Finished") >= 2, "the timer to fire twice", 60
        )
        # While one check runs, no other begins; and drift is not a failure of the service.
        steps = [
            word
            for line in journal(lab, host, begun).splitlines()
            for word in ("Starting", "Finished")
            if word in line
        ]
        assert steps[:4] == ["Starting", "Finished"] * 2
        assert f"checking -m pyinfra_swarm.drift --since {state}/state.json" in journal(
            lab, host, begun
        )
        assert lab.run(host, f"sudo stat -c %a {state}").stdout.strip() == "700"
        # So far one run followed the other; now there is time to look between them.
        lab.run(host, ["sudo", "tee", "/bin/stub"], stdin=STUB.format(seconds=0))
        wait_for(lambda: "ExecMainStatus=2" in show(user=user), "a run that has ended", 60)
        shown = show(user=user)
        assert f"{UNIT}.timer" in shown
        assert "Result=success" in shown
        assert "The timer is removed" in remove(user=user)
        assert f"{UNIT}" not in systemctl(f"{ctl} list-timers --all {UNIT}.timer")
        assert f"{UNIT}" not in systemctl(f"{ctl} list-unit-files {UNIT}.timer")
        assert not list(units.iterdir())
    finally:
        systemctl(f"{ctl} disable --now {UNIT}.timer; rm -rf {there}/{UNIT}.* {state}")
        systemctl(f"{ctl} daemon-reload")
        stop = f"systemctl stop users-manager user-runtime-dir@{uid}; " if user else ""
        on_each([host], f"{stop}rm -f /bin/stub")


def journal(lab: ModuleType, host: str, since: str) -> str:
    """The words of the service since then (seconds since 1970), whoever's manager runs it."""
    words = f"_SYSTEMD_UNIT={UNIT}.service + UNIT={UNIT}.service"
    words += f" + USER_UNIT={UNIT}.service + SYSLOG_IDENTIFIER=stub"
    return str(lab.run(host, f"sudo journalctl --no-pager -o cat --since @{since} {words}").stdout)
