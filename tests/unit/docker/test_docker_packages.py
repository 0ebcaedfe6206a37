"""Docker's packages: which version, held, and who may use Docker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.docker.daemon import (
    daemon_json,
    plan_daemon,
)
from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.docker.packages import (
    AddToGroup,
    Install,
    RecordConfiguration,
    apt_name,
    members,
    plan_packages,
    wanted_version,
)
from pyinfra_swarm.docker.paths import UNIT_DROP_IN
from pyinfra_swarm.docker.repository import plan_repository
from pyinfra_swarm.run.findings import Change, Notice
from tests.unit.docker.installations import (
    CONVERGED,
    FRESH,
    ME,
    SETTINGS,
    declared,
    differing,
    packages_of,
    running,
    the,
)


def test_a_host_as_declared_needs_nothing() -> None:
    assert plan_repository(SETTINGS, CONVERGED) == []
    assert packages_of(CONVERGED, in_swarm=True) == []
    assert plan_daemon(SETTINGS, CONVERGED) == []


def test_a_fresh_host_gets_everything() -> None:
    findings = [
        *plan_repository(SETTINGS, FRESH),
        *packages_of(FRESH, None),
        *plan_daemon(SETTINGS, FRESH),
    ]
    assert all(isinstance(finding, Change) for finding in findings)
    assert [finding.what for finding in findings] == [
        "Docker's apt key",
        "Docker's apt repository",
        "docker.service",
        "Docker",
        "group docker",
    ]
    assert "is not installed" in findings[3].sentence()


def test_an_installation_in_part_is_completed() -> None:
    packages = {k: v for k, v in CONVERGED.packages.items() if k != "docker-compose-plugin"}
    change = the(Change, packages_of(differing(packages=packages)))
    assert "is only partly installed" in change.sentence()
    assert "without docker-compose-plugin" in change.sentence()


def test_another_version_is_changed_where_no_swarm_depends_on_it() -> None:
    change = the(Change, packages_of(CONVERGED, "29.1.0"))
    assert "in no swarm yet" in change.sentence()
    assert "28.5.2 → 29.1.0" in change.sentence()


def test_another_version_is_only_reported_in_a_swarm() -> None:
    notice = the(Notice, packages_of(CONVERGED, "29.1.0", in_swarm=True))
    assert "deploys/upgrade.py upgrades the nodes, one at a time" in notice.remedy


def test_packages_that_are_free_are_held() -> None:
    packages = {**CONVERGED.packages, "docker-ce": Package("5:28.5.2-1", held=False)}
    change = the(Change, packages_of(differing(packages=packages)))
    assert "not held: an" in change.sentence()
    assert "not held: docker-ce" in change.sentence()


def test_systemd_reads_our_drop_in_for_dockers_own_unit() -> None:
    folder, _, name = UNIT_DROP_IN.rpartition("/")
    assert folder == "/etc/systemd/system/docker.service.d"
    assert name.endswith(".conf")
    assert packages_of(differing(running=False, reload_needed=True)) == []


@pytest.mark.parametrize("engine", [differing(drop_in=""), differing(reload_needed=True)])
def test_the_unit_has_to_record_what_the_daemon_reads(engine: Engine) -> None:
    change = the(Change, packages_of(engine))
    assert "does not record which configuration it has read" in change.sentence()


def test_declared_admins_may_use_docker() -> None:
    change = the(Change, packages_of(differing(group=())))
    assert (change.what, change.expected) == ("group docker", "debian")


def test_root_needs_no_group() -> None:
    settings = declared(users=["ci", "root"])
    assert members(settings, settings.host("rk1")) == ("debian", "ci")


def test_members_that_nobody_declared_are_reported_and_not_removed() -> None:
    notice = the(Notice, packages_of(differing(group=("debian", "mallory"))))
    assert "as good as root" in notice.sentence()
    assert "found mallory" in notice.sentence()


# Which version
# -------------


def offers(*versions: str) -> list[str]:
    return [f"5:{version}-1~debian.13~trixie" for version in versions]


def test_the_declared_version_is_wanted() -> None:
    candidates = [offers("28.5.2", "29.1.0")]
    settings = declared(version="26.1.5")
    assert wanted_version(settings, FRESH, [CONVERGED], candidates) == "26.1.5"


def test_a_newcomer_gets_what_the_cluster_runs() -> None:
    candidates = [offers("29.1.0", "26.1.5"), offers("29.1.0")]
    assert wanted_version(SETTINGS, FRESH, [FRESH, running("26.1.5")], candidates) == "26.1.5"


def test_the_first_hosts_get_the_newest_that_all_of_them_can_have() -> None:
    candidates = [offers("29.1.0", "28.5.2", "26.1.5"), offers("28.5.2", "26.1.5")]
    assert wanted_version(SETTINGS, FRESH, [FRESH], candidates) == "28.5.2"


def test_packages_of_two_distributions_are_the_same_version() -> None:
    candidates = [["5:28.5.2-1~debian.13~trixie"], ["5:28.5.2-1~ubuntu.24.04~noble"]]
    assert wanted_version(SETTINGS, FRESH, [], candidates) == "28.5.2"


def test_an_installation_that_is_half_done_decides_no_version() -> None:
    """Neither one without all packages nor one whose engine's own package is missing."""
    without = [name for name in PACKAGES if name != "docker-ce"]
    for kept in (["docker-ce"], without):
        packages = {name: running("26.1.5").packages[name] for name in kept}
        half = replace(FRESH, packages=packages)
        assert wanted_version(SETTINGS, FRESH, [half], [offers("29.1.0")]) == "29.1.0"


def test_a_host_with_another_version_than_the_others_gets_the_newest_of_them() -> None:
    assert wanted_version(SETTINGS, running("29.1.0"), [running("26.1.5")], []) == "29.1.0"
    assert wanted_version(SETTINGS, running("26.1.5"), [running("29.1.0")], []) == "29.1.0"


def test_where_no_version_is_wanted_the_installed_one_stays() -> None:
    assert packages_of(CONVERGED, None) == []


def test_an_installation_in_part_is_held_once_it_is_complete() -> None:
    packages = {"docker-ce": Package("5:28.5.2-1~debian.13~trixie", held=False)}
    (change,) = packages_of(differing(packages=packages))
    assert change.reason == "is only partly installed"


@pytest.mark.parametrize("candidates", [[], [offers("29.1.0"), offers("28.5.2")]])
def test_without_a_common_version_none_is_wanted(candidates: list[list[str]]) -> None:
    assert wanted_version(SETTINGS, FRESH, [FRESH], candidates) is None


def test_a_host_that_has_docker_keeps_its_version() -> None:
    candidates = [offers("29.1.0")]
    version = wanted_version(SETTINGS, CONVERGED, [CONVERGED], candidates)
    assert packages_of(CONVERGED, version) == []


def test_apts_name_of_a_version_is_the_one_it_offers() -> None:
    offered = ("5:29.1.0-1~debian.13~trixie", "5:28.5.2-1~debian.13~trixie")
    assert apt_name("28.5.2", offered) == offered[1]
    assert apt_name("28.5.1", offered) is None
    assert apt_name(None, offered) is None


def test_the_first_configuration_has_nothing_that_no_engine_has_judged() -> None:
    settings = declared(daemon={"debug": True})
    found = plan_packages(settings, ME, FRESH, None, in_swarm=False)
    [install] = [step for step in found if isinstance(step, Install)]
    assert install.first_configuration == daemon_json(SETTINGS, "0")


def test_a_change_carries_what_it_takes() -> None:
    [recording, install, group] = packages_of(FRESH, "28.5.2")
    assert isinstance(recording, RecordConfiguration)
    assert not recording.reload
    assert isinstance(install, Install)
    assert install.version == "28.5.2"
    assert install.first_configuration == daemon_json(SETTINGS, "28.5.2", extras=False)
    assert isinstance(group, AddToGroup)
    assert group.users == ("debian",)
    [again] = packages_of(differing(daemon_json="{}"), "29.1.0")
    assert isinstance(again, Install)
    assert again.first_configuration is None
