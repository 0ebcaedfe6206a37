"""Whatever happens on the way to keys only, the owner gets in.

Each scenario begins with a freshly flashed board: a locked password, passwords accepted through
cloud-init's drop-in, sshd started by its socket. It is judged from outside, by logging in.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.scenarios.conftest import killed_at_the_end

pytestmark = pytest.mark.lifecycle

HOST = os.environ.get("SWARM_LAB_HOST", "node4")
DEPLOY = ("--limit", HOST, "inventory.py", "deploys/ssh.py")
ACCESS = ("--limit", HOST, "inventory.py", "deploys/access.py")
DROP_IN = "/etc/ssh/sshd_config.d/00-pyinfra-swarm.conf"
ARMED = "/var/lib/pyinfra-swarm/rollback/ssh/armed"
QUICK = {"SWARM_SSH__ROLLBACK_AFTER": "20"}
FRESH, KEYS_ONLY = {"publickey", "password"}, {"publickey"}


@pytest.fixture
def board(lab: Any) -> str:
    """A freshly flashed board."""
    lab.reset([HOST])
    return HOST


def offered(lab: Any) -> set[str]:
    """What sshd offers a stranger; nothing while it is being restarted."""
    command = lab.ssh_command(HOST, "-o", "PreferredAuthentications=none", "-v")
    said = subprocess.run([*command, "true"], capture_output=True, text=True, check=False).stderr
    lines = [line for line in said.splitlines() if "Authentications that can continue:" in line]
    return set(lines[-1].rsplit(": ", 1)[1].split(",")) if lines else set()


def root(lab: Any, script: str, check: bool = True) -> str:
    """Log in anew, use sudo, return what it said."""
    done = lab.run(HOST, ["sudo", "sh", "-c", script], check=check)
    return str(done.stdout).strip()


def exists(lab: Any, path: str) -> bool:
    return root(lab, f"[ -e {path} ] && echo yes || :") == "yes"


def wait_until(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(2)
    return False


def hanging_controller() -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A run that has changed sshd and does not get to confirm it."""
    deploy = "tests/scenarios/deploys/unconfirmed.py"
    return killed_at_the_end("-y", "--limit", HOST, "inventory.py", deploy, settings=QUICK)


def changed_but_not_confirmed(lab: Any) -> bool:
    # The drop-in is written after the marker, and read a moment later.
    return root(lab, f"[ -e {ARMED} ] && [ -e {DROP_IN} ] && sleep 2 && echo yes || :") == "yes"


def test_check_converge_idempotence_verify(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    assert "password" in offered(lab)

    check = pyinfra("--dry", *DEPLOY)
    assert check.returncode == 0, check.output
    assert "sshd PasswordAuthentication" in check.output
    assert "it is locked, and sshd without PAM refuses" in check.output
    assert not exists(lab, DROP_IN)

    converge = pyinfra("-y", *DEPLOY)
    assert converge.returncode == 0, converge.output

    again = pyinfra("-y", *DEPLOY)
    assert again.returncode == 0, again.output
    assert "Nothing was changed" in again.output
    dry = pyinfra("--dry", *DEPLOY)
    assert "nothing was changed yet" not in dry.output

    assert offered(lab) == KEYS_ONLY
    assert root(lab, "getent shadow $SUDO_USER").split(":")[1].startswith("*")
    assert not exists(lab, "/var/lib/pyinfra-swarm/rollback/ssh")
    assert not root(lab, "systemctl list-units --all --plain --no-legend 'pyinfra-swarm-roll*'")


def test_a_change_that_locks_out_undoes_itself(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    run = pyinfra("-y", "--limit", HOST, "inventory.py", "tests/scenarios/deploys/lockout.py")
    assert run.returncode != 0
    assert "a new login failed" in run.output
    assert "put back what was there before; a new login confirmed it" in run.output
    assert not exists(lab, "/etc/ssh/sshd_config.d/00-lockout.conf")


def test_a_killed_controller_leaves_the_host_as_it_was(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    with hanging_controller():
        assert wait_until(60, lambda: changed_but_not_confirmed(lab))
        assert offered(lab) == KEYS_ONLY
    # A login may meet the restart of sshd: then it is asked again.
    gone = f"[ -e {DROP_IN} ] || echo gone"
    assert wait_until(60, lambda: root(lab, gone, check=False) == "gone")
    assert wait_until(10, lambda: "password" in offered(lab))

    run = pyinfra("-y", *DEPLOY)
    assert run.returncode == 0, run.output
    assert offered(lab) == KEYS_ONLY


def test_a_run_right_after_a_killed_one_keeps_its_change(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    with hanging_controller():
        assert wait_until(60, lambda: changed_but_not_confirmed(lab))
    run = pyinfra("-y", *DEPLOY, env=QUICK)
    assert run.returncode == 0, run.output
    assert "an earlier change was never confirmed" in run.output
    time.sleep(30)  # longer than the first run's timer
    assert exists(lab, DROP_IN)
    assert offered(lab) == KEYS_ONLY
    assert "Nothing was changed" in pyinfra("-y", *DEPLOY).output


def test_a_power_cut_before_the_confirmation_is_undone_at_boot(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    with hanging_controller():
        assert wait_until(60, lambda: changed_but_not_confirmed(lab))
        lab.power_cut(HOST)
    # It answered, so it has booted; whatever was restored was so before sshd listened.
    assert "password" in offered(lab)
    assert not exists(lab, DROP_IN)
    assert not exists(lab, ARMED)
    assert root(lab, "systemctl show -P Result pyinfra-swarm-rollback.service") == "success"

    run = pyinfra("-y", *DEPLOY)
    assert run.returncode == 0, run.output
    lab.power_cut(HOST)
    assert offered(lab) == KEYS_ONLY


def test_a_file_that_nobody_has_made_sshd_read_is_seen(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    assert pyinfra("-y", *DEPLOY).returncode == 0
    root(lab, "echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/60-mine.conf")
    assert "has not read its files" in pyinfra("--dry", *DEPLOY).output
    assert pyinfra("-y", *DEPLOY).returncode == 0
    assert "Nothing was changed" in pyinfra("-y", *DEPLOY).output


def test_a_setting_that_wins_over_ours_is_named_and_nothing_is_changed(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    root(lab, "echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/00-a.conf")
    run = pyinfra("-y", *DEPLOY)
    assert run.returncode != 0
    assert "/etc/ssh/sshd_config.d/00-a.conf line 1" in run.output
    assert not exists(lab, DROP_IN)

    root(lab, "rm /etc/ssh/sshd_config.d/00-a.conf")
    root(
        lab,
        "printf 'Match Address *\\n  PasswordAuthentication yes\\n' >> /etc/ssh/sshd_config",
    )
    run = pyinfra("-y", *DEPLOY)
    assert run.returncode != 0
    assert "a Match block sets it for some connections: /etc/ssh/sshd_config line" in run.output
    assert not exists(lab, DROP_IN)


def test_a_config_without_include_is_mended(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    root(lab, "sed -i '/^Include/d; s/^#*PasswordAuth.*/PasswordAuthentication yes/' "
         "/etc/ssh/sshd_config && systemctl restart ssh.service")  # fmt: skip
    run = pyinfra("-y", *DEPLOY)
    assert run.returncode == 0, run.output
    assert offered(lab) == KEYS_ONLY


def test_a_rule_that_would_shut_the_run_out_is_refused_before_it_is_read(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    root(lab, "echo 'AllowUsers somebody' > /etc/ssh/sshd_config.d/60-mine.conf")
    run = pyinfra("-y", *DEPLOY)
    assert run.returncode != 0
    assert "60-mine.conf line 1" in run.output
    assert root(lab, "echo in") == "in"


def test_hardening_works_with_sshd_as_a_plain_service(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    root(lab, "systemctl --quiet disable ssh.socket; systemctl --quiet enable ssh.service")
    lab.reboot(HOST)
    assert root(lab, "systemctl is-active ssh.socket ssh.service || :") == "inactive\nactive"
    run = pyinfra("-y", *DEPLOY)
    assert run.returncode == 0, run.output
    assert offered(lab) == KEYS_ONLY
    assert "Nothing was changed" in pyinfra("-y", *DEPLOY).output


def test_declared_admins_get_in_and_nobody_else_does(
    board: str, lab: Any, pyinfra: Callable[..., Any]
) -> None:
    mine = root(lab, "cat /home/$SUDO_USER/.ssh/authorized_keys").splitlines()[0]
    user = root(lab, "echo $SUDO_USER")
    stranger = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfY3pXJH6ZQWSmP0Vb1Qy5W8sJ0mU3mW3vKz5mY3eXk x"

    def declared(*admins: str, others: str = "report") -> dict[str, str]:
        return {
            "SWARM_ACCESS__ADMINS": f"[{', '.join(admins)}]",
            "SWARM_ACCESS__OTHERS": others,
        }

    def admin(name: str, key: str) -> str:
        return f'{{"name": "{name}", "keys": ["{key}"]}}'

    wrong = pyinfra("-y", *ACCESS, env=declared(admin(user, stranger)))
    assert wrong.returncode != 0
    assert "has logged in with is not declared" in wrong.output
    assert root(lab, "echo in") == "in"

    shut_out = pyinfra("-y", *ACCESS, env=declared(admin("ann", mine), others="deny"))
    assert shut_out.returncode != 0
    assert "access.others would lock this user out" in shut_out.output

    env = declared(admin(user, mine), admin("ann", mine), others="deny")
    run = pyinfra("-y", *ACCESS, env=env)
    assert run.returncode == 0, run.output[-3000:]
    again = pyinfra("-y", *ACCESS, env=env)
    assert "Nothing was changed" in again.output
    run = pyinfra("-y", *DEPLOY, env=env)
    assert run.returncode == 0, run.output[-3000:]
    assert "Nothing was changed" in pyinfra("-y", *DEPLOY, env=env).output
    ssh = [word.replace(f"{user}@", "ann@") for word in lab.ssh_command(HOST)]
    said = subprocess.run([*ssh, "sudo id -un"], capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "root", said.stderr


@pytest.mark.parametrize("part", ["ssh", "access"])
def test_a_converged_part_costs_one_remote_command(
    lab: Any, pyinfra: Callable[..., Any], part: str
) -> None:
    deploy = ("--limit", HOST, "inventory.py", f"deploys/{part}.py")
    converge = pyinfra("-y", *deploy)
    assert converge.returncode == 0, converge.output[-3000:]
    run = pyinfra("--dry", "--debug", *deploy)
    commands = [line for line in run.output.splitlines() if "Running command on" in line]
    assert len(commands) == 1, commands
