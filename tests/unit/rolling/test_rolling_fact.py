"""What rolling jobs ask of hosts, as engines 28.5.2 and the kernel have answered it."""

from __future__ import annotations

import pytest

from pyinfra_swarm.rolling.facts import parse_replicas, parse_running
from pyinfra_swarm.rolling.services import Replicas
from pyinfra_swarm.run.answer import Sections
from tests.tools.answers import sections

STAT = (
    "65 (dockerd) S 1 65 65 0 -1 4194560 10783 29518 0 1 34 37 21 6 32 12 14 0 340421 2424963072 "
    "23497 18446744073709551615 93892205469696 93892239727417 140726017525536 0 0 0 0 4096 "
    "2143416063 0 0 0 17 0 0 0 0 0 0 93892267331344 93892277160897 93892755013632 140726017527668 "
    "140726017527685 140726017527685 140726017527783 0"
)
BOOT = "d7130883-8d63-4673-9c95-d793f0775b74"


def said(engine: str = STAT, kernels: str = "", reboot: str = "") -> Sections:
    return sections(
        f"\n#> boot\n{BOOT}\n3427.77\n\n#> engine\n{engine}\n\n#> kernel\n6.12.48+deb13-arm64\n"
        f"{kernels}\n#> reboot\n{reboot}"
    )


def test_ages_are_told_from_the_hosts_own_uptime() -> None:
    running = parse_running(said(), answered_at=1_800_000_000.0)
    assert running.boot == BOOT
    assert running.booted == pytest.approx(1_800_000_000.0 - 3427.77)
    assert running.engine_started == pytest.approx(running.booted + 3404.21)
    assert running.kernel == "6.12.48+deb13-arm64"
    assert (running.kernels, running.reboot_required, running.reboot_packages) == ((), False, ())


def test_an_engine_that_does_not_run_has_no_beginning() -> None:
    assert parse_running(said(engine=""), answered_at=1_800_000_000.0).engine_started is None


def test_a_process_may_be_called_anything() -> None:
    strange = STAT.replace("(dockerd)", "(docker d) x)")
    running = parse_running(said(strange), answered_at=0.0)
    assert running.engine_started == pytest.approx(-3427.77 + 3404.21)


def test_what_asks_for_a_reboot_is_told() -> None:
    running = parse_running(
        said(kernels="6.12.48+deb13-arm64\n6.12.57+deb13-arm64\n", reboot="required\nlibc6\n"),
        answered_at=0.0,
    )
    assert running.kernels == ("6.12.48+deb13-arm64", "6.12.57+deb13-arm64")
    assert (running.reboot_required, running.reboot_packages) == (True, ("libc6",))


SERVICES = """\

#> services
i55t4b4ax88e "everywhere" 2/2 global
18eqw9aqhdl7 "ill" 0/1 replicated
qveqbm0debzj "once" 0/1 (1/1 completed) replicated job
no9rezjqbb35 "pinned" 0/1 replicated
sf6vhkp4xald "web" 3/3 (max 1 per node) replicated

#> stuck
"pinned.1" "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not \
available for new tasks)"
""".splitlines()


def test_services_are_counted_but_jobs_that_end_are_not() -> None:
    assert parse_replicas(sections(SERVICES)) == (
        Replicas("everywhere", 2, 2, 0),
        Replicas("ill", 1, 0, 0),
        Replicas("pinned", 1, 0, 1),
        Replicas("web", 3, 3, 0),
    )


def test_no_services_and_no_answer_are_two_things() -> None:
    assert parse_replicas(sections(["", "#> services"])) == ()
    with pytest.raises(ValueError, match="not a swarm manager"):
        parse_replicas(
            sections(["", "#> error", "Error response from daemon: not a swarm manager."])
        )
