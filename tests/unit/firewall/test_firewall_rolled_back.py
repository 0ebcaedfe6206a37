"""What a host does when a change to its firewall is undone: its script, run with stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.firewall import host_files, operations
from pyinfra_swarm.firewall.paths import SCRIPT, UNIT, WATCH, WATCH_FILE
from pyinfra_swarm.rollback.plan import LATER


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder with a systemctl that takes notes, and fails at nothing."""
    for folder in ("bin", "etc", "lib", "proc"):
        (tmp_path / folder).mkdir()
    tool(tmp_path / "bin/systemctl", '#!/bin/sh\necho "$*" >> "$LOG"\n')
    return tmp_path


def tool(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def after_restore(host: Path) -> tuple[int, str]:
    """The script's exit code, and what systemctl was asked."""
    script = operations.AFTER_RESTORE
    for path in (SCRIPT, WATCH_FILE):
        script = script.replace(path, str(host / "lib" / Path(path).name))
    # What takes the rules out is a script of its own.
    script = here(host, script)
    log = host / "log"
    done = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": f"{host}/bin:{os.environ['PATH']}",
            "LOG": str(log),
            "FIREWALL_ROOT": str(host),
        },
    )
    return done.returncode, log.read_text()


def here(host: Path, script: str) -> str:
    """The firewall's script, with the programs and the tables of this host, which speaks IPv6."""
    script = script.replace("\nPATH=", f"\nPATH={host}/bin:", 1)
    script = script.replace("[ -e /proc/net/if_inet6 ]", "true")
    return script.replace("/proc/net/$tables", f"{host}/proc/$tables")


def restored(host: Path, text: str) -> None:
    """The firewall was there before the change: its script, and the unit that watches."""
    tool(host / "lib" / Path(SCRIPT).name, text)
    (host / "lib" / Path(WATCH_FILE).name).touch()


def test_restored_rules_are_loaded(host: Path) -> None:
    restored(host, "#!/bin/sh\n[ $1 = load ]\n")
    assert after_restore(host) == (0, f"daemon-reload\n--no-block restart {WATCH}\n")


@pytest.mark.parametrize("code", [1, 3, 4, 143])
def test_restored_rules_that_could_not_be_loaded_are_loaded_later(host: Path, code: int) -> None:
    """The kernel still holds those that may lock the owner out.

    The restored script may be of any version, and the first ones end with 1 for every failure.
    """
    restored(host, f"#!/bin/sh\nexit {code}\n")
    after, asked = after_restore(host)
    assert after == LATER
    assert f"restart {WATCH}" in asked


@pytest.mark.parametrize("text", ["exit 2", "exit 126", "exit 127", "if"])
def test_restored_rules_that_can_never_be_loaded_are_not_tried_again(host: Path, text: str) -> None:
    restored(host, f"#!/bin/sh\n{text}\n")
    assert after_restore(host)[0] == 1


def iptables(host: Path, says: str, *, restores: str = "cat > /dev/null", ip6: str = "") -> None:
    """What the host has of it. says: shell; ``$*`` is what it is asked; ip6: for IPv6, if another.

    The kernel has both filter tables of the legacy back end.
    """
    for folder in ("run", "etc/pyinfra-swarm"):
        (host / folder).mkdir(parents=True, exist_ok=True)
    for family, name in (("ipv4", "iptables"), ("ipv6", "ip6tables")):
        tool(host / "bin" / name, f"#!/bin/sh\n{(family == 'ipv6' and ip6) or says}\n")
        tool(host / f"bin/{name}-restore", f"#!/bin/sh\n{restores}\n")
        (host / f"etc/pyinfra-swarm/firewall.{family}").write_text("*filter\nCOMMIT\n")
        (host / "proc" / name.replace("tables", "_tables_names")).write_text("nat\nfilter\n")


def without_tables(host: Path) -> None:
    """No table of the legacy back end: of the one family there never was any."""
    (host / "proc/ip_tables_names").unlink()
    (host / "proc/ip6_tables_names").write_text("nat\n")


ANSWERS = "[ $3 != -S ] || echo -P INPUT ACCEPT"


# What iptables 1.8.11 ends with was seen with its system calls failing: -S and the restore of the
# legacy back end with 3 and 1 (EAGAIN, ENOMEM, EBUSY), those of nft with 4 and 1; both with 4 where
# legacy gets no lock.
@pytest.mark.parametrize(
    ("says", "restores", "expected"),
    [
        (ANSWERS, "cat > /dev/null", 0),
        ("exit 3", "cat > /dev/null", LATER),
        ("exit 4", "cat > /dev/null", LATER),
        (ANSWERS, "cat > /dev/null; exit 1", LATER),
        (ANSWERS, "cat > /dev/null; exit 4", LATER),
        ("exit 127", "cat > /dev/null", 1),
        (ANSWERS, "cat > /dev/null; exit 2", 1),
    ],
)
def test_rules_that_the_kernel_does_not_take_now_are_loaded_later(
    host: Path, says: str, restores: str, expected: int
) -> None:
    iptables(host, says, restores=restores)
    restored(host, here(host, host_files.script()))
    assert after_restore(host)[0] == expected


def test_a_kernel_without_the_table_is_not_tried_again(host: Path) -> None:
    iptables(host, "exit 3")
    without_tables(host)
    restored(host, here(host, host_files.script()))
    assert after_restore(host)[0] == 1


@pytest.mark.parametrize("rules", ["", None], ids=repr)
def test_rules_that_are_not_there_are_not_tried_again(host: Path, rules: str | None) -> None:
    iptables(host, ANSWERS)
    file = host / "etc/pyinfra-swarm/firewall.ipv6"
    file.unlink()
    if rules is not None:
        file.write_text(rules)
    restored(host, here(host, host_files.script()))
    assert after_restore(host)[0] == 1


def test_a_script_that_another_run_of_it_keeps_waiting_says_so(host: Path) -> None:
    iptables(host, ANSWERS)
    tool(host / "bin/flock", "#!/bin/sh\nexit 1\n")
    restored(host, here(host, host_files.script()))
    assert after_restore(host)[0] == LATER


@pytest.mark.parametrize(
    "says", ["exit 1", "exit 3", "exit 4", "[ $3 != -S ] || echo -N SWARM-INPUT"]
)
def test_rules_that_could_not_be_taken_out_are_taken_out_later(host: Path, says: str) -> None:
    iptables(host, f"case $* in *-D*) exit 1 ;; esac\n{says}")
    code, asked = after_restore(host)
    assert code == LATER
    assert f"stop {UNIT} {WATCH}" in asked


def test_rules_that_are_gone_are_looked_for_no_more(host: Path) -> None:
    iptables(host, "case $* in *-D*) exit 1 ;; esac\n[ $3 != -S ] || echo -P INPUT ACCEPT")
    assert after_restore(host)[0] == 0


def test_where_there_is_no_table_the_rules_are_gone(host: Path) -> None:
    iptables(host, "exit 3")
    without_tables(host)
    assert after_restore(host)[0] == 0


@pytest.mark.parametrize("names", ["ip_tables_names", "ip6_tables_names"])
def test_a_table_that_cannot_be_read_now_may_still_hold_the_rules(host: Path, names: str) -> None:
    """The kernel has no memory for the answer, say: iptables-legacy ends with 3 there as well."""
    iptables(host, "exit 3")
    without_tables(host)
    (host / "proc" / names).write_text("filter\n")
    assert after_restore(host)[0] == LATER


@pytest.mark.parametrize("code", [2, 126, 127])
def test_an_iptables_that_cannot_run_is_not_asked_again(host: Path, code: int) -> None:
    iptables(host, f"exit {code}")
    assert after_restore(host)[0] == 1


@pytest.mark.parametrize(("ip4", "ip6"), [(127, 4), (4, 127)])
@pytest.mark.parametrize("loaded", [True, False])
def test_one_family_that_has_to_wait_is_enough(
    host: Path, ip4: int, ip6: int, loaded: bool
) -> None:
    iptables(host, f"exit {ip4}", ip6=f"exit {ip6}")
    if loaded:
        restored(host, here(host, host_files.script()))
    assert after_restore(host)[0] == LATER
