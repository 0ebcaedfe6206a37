"""Hosts that do not go together: names, machine ids, engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.host.system import Host
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.run.findings import Refusal
from tests.unit.preflight.hosts import (
    SETTINGS,
    SOUND,
    declared,
    fellow,
)


def test_nothing_speaks_against_sound_hosts_together() -> None:
    hosts = {"rk1": SOUND, "rk2": fellow(2), "rk3": fellow(3)}
    assert all(preflight.plan(SETTINGS, name, hosts) == [] for name in hosts)


def test_duplicate_hostnames_stop_every_host() -> None:
    hosts = {"rk1": SOUND, "rk2": fellow(2, hostname="rk3"), "rk3": fellow(3)}
    for name in hosts:
        refusals = [f for f in preflight.plan(SETTINGS, name, hosts) if isinstance(f, Refusal)]
        assert [refusal.what for refusal in refusals] == ["hostname"]
        assert "rk2 and rk3 have the same hostname “rk3”" in refusals[0].sentence()


def test_duplicate_machine_ids_stop_every_host() -> None:
    hosts = {"rk1": SOUND, "rk2": fellow(2, machine_id=SOUND.machine_id), "rk3": fellow(3)}
    for name in hosts:
        [finding] = preflight.plan(SETTINGS, name, hosts)
        assert isinstance(finding, Refusal)
        assert "rk1 and rk2 have the same machine id" in finding.sentence()
        assert "systemd-machine-id-setup" in finding.remedy


def engines(*versions: str, in_swarm: bool = True) -> dict[str, Host | None]:
    return {
        f"rk{number}": fellow(number, engine=version, in_swarm=in_swarm)
        for number, version in enumerate(versions, 1)
    }


def test_mixed_engines_in_a_swarm_stop_every_host() -> None:
    hosts = engines("29.8.0", "28.5.2", "28.5.2")
    for name in hosts:
        [finding] = preflight.plan(SETTINGS, name, hosts)
        assert isinstance(finding, Refusal)
        assert "28.5.2 on rk2 and rk3; 29.8.0 on rk1" in finding.sentence()
        assert 'docker.version = "29.8.0"' in finding.remedy


@pytest.mark.parametrize("wanted", ["28.5.2", "26.1.5"])
def test_an_upgrade_in_progress_is_no_finding_of_the_preflight(wanted: str) -> None:
    settings = declared(docker={"version": wanted})
    hosts = engines("28.5.2", "26.1.5", "26.1.5")
    assert preflight.plan(settings, "rk2", hosts) == []


def test_engines_that_do_not_understand_each_other_are_refused_whatever_is_declared() -> None:
    settings = declared(docker={"version": "29.1.3"})
    [finding] = preflight.plan(settings, "rk2", engines("29.1.3", "28.5.2", "28.5.2"))
    assert isinstance(finding, Refusal)
    assert "moby #51798" in finding.sentence()
    assert "deploys/upgrade.py" in finding.remedy


def test_patch_releases_of_an_engine_get_on() -> None:
    assert preflight.plan(SETTINGS, "rk1", engines("28.5.1", "28.5.2", "28.5.2")) == []


def test_a_new_host_without_an_engine_is_no_mixture() -> None:
    hosts = engines("28.5.2", "28.5.2") | {"rk3": fellow(3)}
    assert preflight.plan(SETTINGS, "rk3", hosts) == []


def test_different_engines_outside_of_a_swarm_need_a_declared_version() -> None:
    hosts = engines("26.1.5", "28.5.2", in_swarm=False)
    [finding] = preflight.plan(SETTINGS, "rk1", hosts)
    assert isinstance(finding, Refusal)
    assert "docker.version" in finding.remedy
    assert preflight.plan(declared(docker={"version": "28.5.2"}), "rk1", hosts) == []


def mixture(**versions: tuple[str, bool]) -> list[str]:
    hosts: dict[str, Host | None] = {
        name: fellow(int(name[-1]), engine=version, in_swarm=in_swarm)
        for name, (version, in_swarm) in versions.items()
    }
    wanted = declared(docker={"version": "29.4.0"})
    return [f.reason for s in (SETTINGS, wanted) for f in preflight.plan(s, "rk1", hosts)]


def test_only_engines_of_the_swarms_own_nodes_can_be_mixed_in_it() -> None:
    assert mixture(rk1=("28.5.2", True), rk2=("", True), rk3=("28.5.1", True)) == []
    [outside] = mixture(rk1=("28.5.2", True), rk2=("29.4.0", False), rk3=("", False))
    assert outside.startswith("the hosts have different releases installed")
    inside = mixture(rk1=("9.1.0", True), rk2=("10.0.0", True), rk3=("10.0.0", True))
    assert len(inside) == 2
    assert "(9.1.0 on rk1; 10.0.0 on rk2 and rk3)" in inside[0]


def test_the_newest_engine_is_the_one_to_be_declared() -> None:
    hosts = {
        n: replace(h, engine=v) if h else None
        for (n, h), v in zip(
            engines("28.5.2", "28.5.2", "28.5.2").items(), ("9.1.0", "10.0.0", "9.2.0"), strict=True
        )
    }
    [finding] = [f for f in preflight.plan(SETTINGS, "rk1", hosts) if f.what == "Docker Engine"]
    assert 'docker.version = "10.0.0"' in finding.remedy
    other = declared(docker={"version": "10.1.0"})  # none of them has it yet
    assert preflight.plan(other, "rk1", hosts)


def test_a_host_that_is_not_there_is_not_judged() -> None:
    assert preflight.plan(SETTINGS, "rk1", {"rk1": None}) == []
