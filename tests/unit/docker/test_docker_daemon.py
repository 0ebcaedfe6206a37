"""The daemon's configuration: what is written, and when a restart is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyinfra_swarm.docker.daemon import (
    FORWARDING,
    SHOWN,
    EnableAtBoot,
    RestartDaemon,
    StartDaemon,
    SwitchForwardingOn,
    WriteConfiguration,
    daemon_json,
    not_yet,
    plan_daemon,
    restart_needed,
    same_configuration,
)
from pyinfra_swarm.docker.installation import Engine
from pyinfra_swarm.run.findings import Change, Notice
from tests.unit.docker.installations import (
    CONVERGED,
    FRESH,
    OLDER,
    SETTINGS,
    declared,
    differing,
    the,
)


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("26.1.5", set()),
        ("27.0.1", {"ip6tables"}),
        ("28.5.2", {"ip6tables"}),
        ("29.0.0", {"ip6tables", "firewall-backend"}),
    ],
)
def test_each_engine_gets_only_the_keys_it_takes(version: str, keys: set[str]) -> None:
    content = json.loads(daemon_json(SETTINGS, version))
    hardened = {"icc", "no-new-privileges"}
    assert set(content) == {"iptables", "live-restore", "log-driver", "log-opts"} | hardened | keys
    assert (content["icc"], content["no-new-privileges"]) == (False, True)
    assert content["live-restore"] is False
    assert content.get("firewall-backend", "iptables") == "iptables"
    assert content["log-opts"] == {"max-file": "3", "max-size": "10m"}


def test_the_file_is_the_same_every_time_and_easily_read() -> None:
    text = daemon_json(declared(daemon={"bip": "10.9.0.1/24"}), "26.1.5")
    assert (
        text
        == """\
{
  "bip": "10.9.0.1/24",
  "icc": false,
  "iptables": true,
  "live-restore": false,
  "log-driver": "json-file",
  "log-opts": {
    "max-file": "3",
    "max-size": "10m"
  },
  "no-new-privileges": true
}
"""
    )


def test_additions_wait_for_an_engine_that_can_judge_them() -> None:
    settings = declared(daemon={"debug": True, "bip": "10.9.0.1/24"})
    assert json.loads(daemon_json(settings, "28.5.2"))["debug"] is True
    assert "debug" not in json.loads(daemon_json(settings, "28.5.2", extras=False))
    change = the(Change, plan_daemon(settings, FRESH))
    assert "has additions declared (→ bip, debug)" in change.sentence()


def test_a_missing_configuration_is_written() -> None:
    findings = plan_daemon(SETTINGS, differing(daemon_json=None))
    assert "is missing" in findings[0].sentence()
    assert findings[0].expected == (
        'icc: false, ip6tables: true, iptables: true, live-restore: false, log-driver: "json-file",'
        ' log-opts.max-file: "3", log-opts.max-size: "10m", no-new-privileges: true'
    )
    assert findings[0].found == ""
    only_more = json.dumps({**json.loads(WANTED), "log-level": "warn", "debug": True})
    change = the(Change, plan_daemon(SETTINGS, differing(daemon_json=only_more)))
    assert change.expected == "debug: not set, log-level: not set"
    assert change.found == "debug: set, log-level: set"


def test_a_differing_configuration_is_told_by_what_differs_and_not_whole() -> None:
    change, restart = plan_daemon(declared(log_max_size="50m", daemon={"debug": True}), CONVERGED)
    assert change.expected == 'debug: as declared, log-opts.max-size: "50m"'
    assert change.found == 'debug: not set, log-opts.max-size: "10m"'
    assert "live-restore" not in change.sentence()
    assert "has not read the configuration that is declared" in restart.sentence()


def test_a_password_in_a_hosts_file_is_in_no_finding() -> None:
    proxies = {"http-proxy": "http://ada:hunter2@proxy.lan:3128"}
    there = json.dumps({**json.loads(WANTED), "proxies": proxies})
    change = the(Change, plan_daemon(SETTINGS, differing(daemon_json=there)))
    assert (change.found, change.expected) == ("proxies: set", "proxies: not set")
    wanted = declared(daemon={"proxies": {"http-proxy": "http://proxy.lan:3128"}})
    change = plan_daemon(wanted, differing(daemon_json=there))[0]
    assert (change.found, change.expected) == ("proxies: another value", "proxies: as declared")
    assert "hunter2" not in repr(change)


CANARY = "hunter2-canary"
KEYS = st.sampled_from(
    ["proxies", "debug", "log-opts", "icc", "hosts", "max-size", "log-driver", "splunk-token"]
)
WITH_A_SECRET = st.recursive(
    st.sampled_from([CANARY, f"http://ada:{CANARY}@proxy", [CANARY], {"max-size": [CANARY]}]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.dictionaries(KEYS, inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=40)
@given(
    st.sampled_from(["proxies", "debug", "labels", "registry-mirrors"]),
    WITH_A_SECRET,
    st.dictionaries(st.sampled_from(["splunk-token", "gelf-address"]), WITH_A_SECRET),
)
def test_only_values_that_this_project_writes_are_told(
    key: str, secret: Any, options: dict[str, Any]
) -> None:
    found = {**json.loads(WANTED), key: secret, "icc": [secret]}
    found["log-opts"] = {"max-size": "9m", "max-file": {"of": secret}, **options}
    for docker in ({}, {key: "another"}):
        for finding in plan_daemon(
            declared(daemon=docker), differing(daemon_json=json.dumps(found))
        ):
            assert CANARY not in repr(finding)
            assert CANARY not in json.dumps(finding.record())
    change = plan_daemon(SETTINGS, differing(daemon_json=json.dumps(found)))[0]
    assert f"{key}: set" in change.found
    assert "icc: another value" in change.found
    assert 'log-opts.max-size: "9m"' in change.found


def test_what_this_project_writes_itself_is_shown() -> None:
    every = declared(icc=False, no_new_privileges=True, userland_proxy=False)
    content = json.loads(daemon_json(every, "29.0.0"))
    options = {f"log-opts.{key}" for key in content.pop("log-opts")}
    assert options | set(content) == SHOWN


def test_a_broken_configuration_is_replaced() -> None:
    for broken in ("{", "[]", '"text"', ""):
        findings = plan_daemon(SETTINGS, differing(daemon_json=broken))
        assert findings[0].what == "daemon.json"
        assert findings[0].found == ("not valid JSON" if broken else "")


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (differing(running=False), "is not running"),
        (differing(enabled=False), "does not start at boot"),
        (differing(running=False, enabled=False), "is not running"),
    ],
)
def test_the_service_runs_and_starts_at_boot(engine: Engine, reason: str) -> None:
    assert reason in the(Change, plan_daemon(SETTINGS, engine)).sentence()


def test_forwarding_that_was_switched_off_is_switched_on_again() -> None:
    off = differing(forwarding=False)
    found = the(Change, plan_daemon(SETTINGS, off))
    assert (found.what, found.expected, found.found) == ("net.ipv4.ip_forward", "1", "0")
    # A stopped engine does it when it starts.
    assert FORWARDING not in [f.what for f in plan_daemon(SETTINGS, replace(off, running=False))]


WANTED = daemon_json(SETTINGS, "28.5.2")


@pytest.mark.parametrize(
    ("engine", "needed"),
    [
        (CONVERGED, False),
        # The same meaning in another spelling.
        (differing(loaded_json=json.dumps(json.loads(WANTED))), False),
        # A run was interrupted between the writing of the file and the restart.
        (differing(loaded_json="{}"), True),
        # The file was touched, but says what the daemon has read.
        (differing(changed_since_start=True), False),
        # A daemon that was started before our drop-in does not say what it has read.
        (differing(loaded_json=None), False),
        (differing(loaded_json=None, changed_since_start=True), True),
        (differing(loaded_json=None, daemon_json=None), True),
        (differing(loaded_json="{"), True),
    ],
)
def test_a_restart_is_needed_only_where_the_running_daemon_differs(
    engine: Engine, needed: bool
) -> None:
    assert restart_needed(engine, WANTED) is needed


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "b"]),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=5,
)


@given(_JSON, _JSON)
def test_configurations_are_compared_by_meaning(one: Any, other: Any) -> None:
    assert same_configuration(json.dumps(one), json.dumps(one, indent=4, sort_keys=True))
    assert same_configuration(json.dumps(one), json.dumps(other)) == (one == other)
    assert not same_configuration(json.dumps(one), None)


_ENGINES = st.builds(
    differing,
    daemon_json=st.sampled_from([None, WANTED, "{}", "{", "[]", "null", '{"debug": true}']),
    loaded_json=st.sampled_from([None, WANTED, "{}", "{", "null"]),
    running=st.booleans(),
    enabled=st.booleans(),
    changed_since_start=st.booleans(),
)


@given(_ENGINES)
def test_carrying_out_the_daemons_plan_leaves_nothing_to_do(engine: Engine) -> None:
    findings = plan_daemon(SETTINGS, engine)
    settled = engine == CONVERGED or not findings
    after = differing(daemon_json=WANTED, loaded_json=WANTED)
    assert plan_daemon(SETTINGS, after) == []
    if settled:
        assert same_configuration(engine.daemon_json, WANTED)
        assert engine.running
        assert engine.enabled
        assert not restart_needed(engine, WANTED)


def test_a_daemon_that_lacks_several_things_gets_each_of_them_the_restart_last() -> None:
    seen = differing(
        daemon_json=None, loaded_json="{}", enabled=False, forwarding=False, running=True
    )
    assert [type(finding) for finding in plan_daemon(SETTINGS, seen)] == [
        WriteConfiguration,
        SwitchForwardingOn,
        EnableAtBoot,
        RestartDaemon,
    ]
    [start] = plan_daemon(SETTINGS, differing(running=False, enabled=False))
    assert isinstance(start, StartDaemon)


# Hardening of nodes that run already
# -----------------------------------


def test_what_is_the_engines_own_default_is_not_written() -> None:
    content = json.loads(daemon_json(declared(icc=True, no_new_privileges=False), "28.5.2"))
    assert not {"icc", "no-new-privileges", "userland-proxy"} & set(content)
    content = json.loads(daemon_json(declared(userland_proxy=False), "28.5.2"))
    assert content["userland-proxy"] is False


def test_a_node_that_was_made_before_is_told_what_it_lacks_and_is_not_restarted() -> None:
    later = not_yet(SETTINGS, OLDER)
    assert later == ["icc", "no-new-privileges"]
    (notice,) = plan_daemon(SETTINGS, OLDER, later)
    assert isinstance(notice, Notice)
    assert notice.expected == "icc: false, no-new-privileges: true"
    assert "deploys/restart.py" in notice.remedy
    assert "declare docker.icc and docker.no_new_privileges either way" in notice.remedy


def test_in_no_swarm_it_gets_it_at_once() -> None:
    write, restart = plan_daemon(SETTINGS, OLDER)
    assert isinstance(write, WriteConfiguration)
    assert json.loads(write.content) == json.loads(WANTED)
    assert isinstance(restart, RestartDaemon)


@pytest.mark.parametrize(
    ("docker", "later"),
    [
        ({"icc": False}, ["no-new-privileges"]),
        ({"icc": True}, ["no-new-privileges"]),
        ({"no_new_privileges": False, "icc": False}, []),
        ({"daemon": {"icc": True}}, ["no-new-privileges"]),
    ],
)
def test_what_is_declared_does_not_wait(docker: dict[str, Any], later: list[str]) -> None:
    settings = declared(**docker)
    assert not_yet(settings, OLDER) == later
    said = plan_daemon(settings, OLDER, later)
    wanted = json.loads(daemon_json(settings, "28.5.2"))
    for key in later:
        del wanted[key]
    changed = wanted != json.loads(OLDER.daemon_json or "")
    assert any(isinstance(one, WriteConfiguration) for one in said) is changed


@pytest.mark.parametrize(
    "seen",
    [
        CONVERGED,
        FRESH,
        differing(daemon_json='{"debug": true}'),  # edited: the daemon has read more
        differing(daemon_json=None, loaded_json=None),
        differing(daemon_json="{"),
    ],
)
def test_nothing_waits_where_the_engine_has_it_or_has_nothing(seen: Engine) -> None:
    assert not_yet(SETTINGS, seen) == []
