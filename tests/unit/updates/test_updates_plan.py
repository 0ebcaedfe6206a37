"""Updates: what is mended, what is only reported, and what is left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.run.findings import Change, Finding, Notice
from pyinfra_swarm.updates import facts as fact
from pyinfra_swarm.updates import plan as updates
from pyinfra_swarm.updates.plan import (
    BLACKLIST,
    HELD_BACK,
    PACKAGE_OF,
    TIME_SERVICES,
    TIMERS,
    VALUES,
    Unit,
    Updates,
)
from tests.tools.answers import sections

RIGHT = Updates(
    packages={"unattended-upgrades": "2.12", "systemd-timesyncd": "257.9-1"},
    configuration={**{name: (value,) for name, value in VALUES.items()}, BLACKLIST: HELD_BACK},
    own_file=updates.configuration_file(),
    units=(
        *(Unit(timer, loaded=True, active=True, enabled=True) for timer in TIMERS),
        Unit("systemd-timesyncd.service", loaded=True, active=True, enabled=True),
    ),
    reboot_required=False,
    reboot_packages=(),
)

FRESH = Updates(
    packages={}, configuration={}, own_file="", units=(), reboot_required=False, reboot_packages=()
)


@dataclass
class Plan:
    """What a plan finds, and by kind what it does."""

    findings: list[Finding]

    @property
    def write(self) -> bool:
        return any(isinstance(one, updates.WriteConfiguration) for one in self.findings)

    @property
    def install(self) -> tuple[str, ...]:
        kinds = updates.Install | updates.StartUnit
        return tuple(one.package for one in self.findings if isinstance(one, kinds) and one.package)

    @property
    def enable(self) -> tuple[str, ...]:
        return tuple(one.unit for one in self.findings if isinstance(one, updates.StartUnit))


def plan(seen: Updates, **settings: bool) -> Plan:
    return Plan(updates.plan(**{"unattended": True, "time_sync": True, **settings}, seen=seen))


def differing(**values: Any) -> Updates:
    return replace(RIGHT, **values)


def configured(name: str, *values: str) -> Updates:
    return differing(configuration={**RIGHT.configuration, name: values}, own_file="")


def with_unit(unit: Unit, packages: dict[str, str] | None = None) -> Updates:
    units = tuple(u for u in RIGHT.units if u.name not in TIME_SERVICES)
    return differing(units=(*units, unit), packages=packages or RIGHT.packages)


def carried_out(plan: Plan, seen: Updates) -> Updates:
    """What the host says after the plan's commands."""
    configuration = dict(seen.configuration)
    if plan.write:
        configuration.update({name: (value,) for name, value in VALUES.items()})
        configuration[BLACKLIST] = (*configuration.get(BLACKLIST, ()), *HELD_BACK)
    started = [Unit(name, loaded=True, active=True, enabled=True) for name in plan.enable]
    return replace(
        seen,
        packages={**seen.packages, **dict.fromkeys(plan.install, "1")},
        configuration=configuration,
        own_file=updates.configuration_file() if plan.write else seen.own_file,
        units=(*started, *(u for u in seen.units if u.name not in plan.enable)),
    )


def test_a_host_as_declared_needs_nothing() -> None:
    assert plan(RIGHT) == Plan([])


def test_a_fresh_host_gets_updates_and_the_time() -> None:
    wanted = plan(FRESH)
    assert wanted.install == ("unattended-upgrades", "systemd-timesyncd")
    assert wanted.write
    assert wanted.enable == (
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "systemd-timesyncd.service",
    )
    assert all(isinstance(finding, Change) for finding in wanted.findings)
    assert {finding.what: finding.found for finding in wanted.findings} == {
        "unattended-upgrades": "",
        "APT::Periodic::Update-Package-Lists": "not set",
        "APT::Periodic::Unattended-Upgrade": "not set",
        "Unattended-Upgrade::Package-Blacklist": "not set",
        "apt-daily.timer": "not there",
        "apt-daily-upgrade.timer": "not there",
        "time synchronisation": "not there",
    }


def test_the_file_says_it_in_the_words_of_apt() -> None:
    assert updates.CONFIGURATION == "/etc/apt/apt.conf.d/90pyinfra-swarm"
    first, _, rest = updates.configuration_file().partition("\n")
    assert first.startswith("// Written by pyinfra-swarm")
    assert (
        rest
        == """\
APT::Periodic::Enable "1";
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "false";
Unattended-Upgrade::Package-Blacklist {
    "^docker-ce";
    "^docker-buildx-plugin$";
    "^docker-compose-plugin$";
    "^containerd[.]io$";
};
"""
    )


def test_what_is_not_known_of_is_not_there() -> None:
    assert FRESH.unit("a.timer") == Unit("a.timer", loaded=False, active=False, enabled=False)
    assert FRESH.value("APT::Periodic::Enable") == ""
    assert RIGHT.value("APT::Periodic::Enable") == "1"


@pytest.mark.parametrize(
    ("active", "enabled", "found"),
    [
        (True, False, "active, not enabled"),
        (False, True, "inactive"),
        (False, False, "inactive, not enabled"),
    ],
)
def test_a_timer_has_to_run_and_to_be_started_at_boot(
    active: bool, enabled: bool, found: str
) -> None:
    units = {unit.name: unit for unit in RIGHT.units}
    timer = Unit("apt-daily.timer", loaded=True, active=active, enabled=enabled)
    wanted = plan(differing(units=tuple({**units, timer.name: timer}.values())))
    assert wanted.enable == ("apt-daily.timer",)
    assert [(finding.what, finding.found) for finding in wanted.findings] == [
        ("apt-daily.timer", found)
    ]


def test_nothing_is_touched_that_is_not_to_be_managed() -> None:
    assert plan(FRESH, unattended=False, time_sync=False) == Plan([])


@pytest.mark.parametrize("name", VALUES)
def test_each_value_of_apt_is_judged_as_it_is_in_force(name: str) -> None:
    wanted = plan(configured(name, "true" if name.endswith("Reboot") else "0"))
    assert [finding.what for finding in wanted.findings] == [name]
    assert wanted.write


def test_daily_work_may_be_done_at_every_start_of_apt() -> None:
    for name in ("Update-Package-Lists", "Unattended-Upgrade"):
        assert plan(configured(f"APT::Periodic::{name}", "always")) == Plan([])


def test_what_is_not_set_has_the_value_that_apt_gives_it() -> None:
    for name in ("APT::Periodic::Enable", "Unattended-Upgrade::Automatic-Reboot"):
        assert plan(configured(name)) == Plan([])
    for name in ("Update-Package-Lists", "Unattended-Upgrade"):
        [finding] = plan(configured(f"APT::Periodic::{name}")).findings
        assert finding.found == "not set"


@pytest.mark.parametrize("spelling", ["false", "0", "no", "False", "off", "without", "disable"])
def test_no_reboot_has_many_spellings(spelling: str) -> None:
    assert plan(configured("Unattended-Upgrade::Automatic-Reboot", spelling)) == Plan([])


def test_docker_is_left_alone_beside_what_else_the_owner_leaves_alone() -> None:
    assert plan(configured(BLACKLIST, "^nginx", *HELD_BACK)) == Plan([])
    [finding] = plan(configured(BLACKLIST, "^nginx")).findings
    assert "Docker would be updated automatically" in finding.sentence()


def test_a_file_that_overrules_ours_is_reported_and_not_fought() -> None:
    seen = replace(
        configured("Unattended-Upgrade::Automatic-Reboot", "true"),
        own_file=updates.configuration_file(),
    )
    wanted = plan(seen)
    [finding] = wanted.findings
    assert isinstance(finding, Notice)
    assert "grep -rn Automatic-Reboot /etc/apt/apt.conf.d" in finding.remedy
    assert not wanted.write


@pytest.mark.parametrize("service", TIME_SERVICES)
def test_any_time_service_that_runs_is_right(service: str) -> None:
    assert plan(with_unit(Unit(service, loaded=True, active=True, enabled=True))) == Plan([])


def test_a_time_service_that_is_there_and_stopped_is_started_rather_than_another() -> None:
    seen = with_unit(
        Unit("chrony.service", loaded=True, active=False, enabled=False),
        {
            "unattended-upgrades": "2.12",
            "chrony": "4.6",
        },
    )
    assert plan(seen).enable == ("chrony.service",)
    assert plan(seen).install == ()


def test_of_several_stopped_time_services_the_one_that_starts_at_boot_is_started() -> None:
    stopped = Unit("systemd-timesyncd.service", loaded=True, active=False, enabled=False)
    chosen = Unit("chrony.service", loaded=True, active=False, enabled=True)
    packages = {"unattended-upgrades": "2.12", "systemd-timesyncd": "257", "chrony": "4.6"}
    seen = with_unit(chosen, packages)
    wanted = plan(replace(seen, units=(*seen.units, stopped)))
    assert wanted.enable == ("chrony.service",)
    assert [finding.found for finding in wanted.findings] == ["inactive"]


@pytest.mark.parametrize(
    ("service", "package"),
    [
        ("systemd-timesyncd.service", "systemd-timesyncd"),
        ("chrony.service", "chrony"),
        ("ntpsec.service", "ntpsec"),
        ("ntp.service", "ntp"),
        ("openntpd.service", "openntpd"),
    ],
)
def test_a_time_service_is_known_by_its_package(service: str, package: str) -> None:
    packages = {"unattended-upgrades": "2.12", package: "1"}
    wanted = plan(with_unit(Unit(service, True, False, False), packages))
    assert (wanted.install, wanted.enable) == ((), (service,))


def test_a_time_service_that_would_not_start_at_boot_is_enabled() -> None:
    seen = with_unit(Unit("systemd-timesyncd.service", loaded=True, active=True, enabled=False))
    [finding] = plan(seen).findings
    assert "does not start at boot" in finding.sentence()


def test_a_reboot_the_host_waits_for_is_reported_with_its_packages() -> None:
    wanted = plan(differing(reboot_required=True, reboot_packages=("linux-image-arm64",)))
    [finding] = wanted.findings
    assert isinstance(finding, Notice)
    assert "linux-image-arm64" in finding.sentence()


_VALUES = st.sampled_from(["", "0", "1", "always", "true", "false"])
_HOSTS = st.builds(
    Updates,
    packages=st.dictionaries(
        st.sampled_from(["unattended-upgrades", *PACKAGE_OF.values()]), st.just("1")
    ),
    configuration=st.fixed_dictionaries(
        {},
        optional={
            **{name: st.tuples(_VALUES) for name in VALUES},
            BLACKLIST: st.lists(st.sampled_from([*HELD_BACK, "^nginx"])).map(tuple),
        },
    ),
    own_file=st.just(""),
    units=st.lists(
        st.builds(
            Unit,
            st.sampled_from(TIMERS + TIME_SERVICES),
            st.just(True),
            st.booleans(),
            st.booleans(),
        ),
        unique_by=lambda unit: unit.name,
    ).map(tuple),
    reboot_required=st.just(False),
    reboot_packages=st.just(()),
)


@given(seen=_HOSTS, unattended=st.booleans(), time_sync=st.booleans())
def test_carrying_out_a_plan_leaves_nothing_to_do(
    seen: Updates, unattended: bool, time_sync: bool
) -> None:
    wanted = plan(seen, unattended=unattended, time_sync=time_sync)
    assert bool(wanted.findings) == bool(wanted.install or wanted.write or wanted.enable)
    after = carried_out(wanted, seen)
    assert plan(after, unattended=unattended, time_sync=time_sync) == Plan([])


# apt 3.0.3, dpkg 1.22.22, systemd 257 (Debian 13)
OUTPUT = f"""
#> packages
chrony un
systemd-timesyncd ii  257.13-1~deb13u1
unattended-upgrades rc  2.12
#> configuration
APT "";
APT::Periodic "";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::Update-Package-Lists "1";
Dir "/";
Unattended-Upgrade "";
Unattended-Upgrade::Package-Blacklist "";
Unattended-Upgrade::Package-Blacklist:: "^docker-ce";
Unattended-Upgrade::Package-Blacklist:: "^containerd[.]io$";
#> own_file
{updates.configuration_file()}
#> units
Id=apt-daily.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=chrony.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
#> reboot
required
linux-image-6.12.48+deb13-amd64
linux-image-6.12.48+deb13-amd64
"""


def test_the_fact_reads_what_is_in_force() -> None:
    seen = fact.parse(sections(OUTPUT))
    assert seen.packages == {"systemd-timesyncd": "257.13-1~deb13u1"}
    assert seen.value("APT::Periodic::Unattended-Upgrade") == "1"
    assert seen.configuration[BLACKLIST] == ("^docker-ce", "^containerd[.]io$")
    assert seen.own_file == updates.configuration_file()
    assert seen.unit("apt-daily.timer") == Unit("apt-daily.timer", True, True, True)
    assert not seen.unit("chrony.service").loaded
    assert seen.reboot_required
    assert seen.reboot_packages == ("linux-image-6.12.48+deb13-amd64",)
