"""Docker on a host: what is mended, what is only said, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.docker import operations
from pyinfra_swarm.docker.daemon import (
    FORWARDING,
    daemon_json,
    plan_daemon,
    restart_needed,
    same_configuration,
)
from pyinfra_swarm.docker.facts import parse_installation
from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.docker.openpgp import read_key
from pyinfra_swarm.docker.packages import members, plan_packages, wanted_version
from pyinfra_swarm.docker.paths import UNIT_DROP_IN
from pyinfra_swarm.docker.repository import accepted_key, key_url, plan_repository, sources
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.settings import Settings
from tests.tools.answers import sections

FIXTURES = Path(__file__).parents[1] / "fixtures"
LAB_KEY = "B0A0138566695F7847D9DC9E16B030FF7476653A"
HOSTS = [
    {"name": f"rk{number}", "address": f"192.168.1.1{number}", "role": "manager"}
    for number in (1, 2, 3)
]


def declared(**docker: Any) -> Settings:
    tables: dict[str, Any] = {
        "hosts": HOSTS,
        "ssh": {"user": "debian"},
        "docker": {"key_fingerprint": LAB_KEY, **docker},
    }
    return Settings(**tables)


def observed(name: str) -> Engine:
    """The host that said this (Engine 28.5.2 on Debian 13; without Docker for ``absent``)."""
    return parse_installation(sections((FIXTURES / f"docker-installation-{name}.txt").read_text()))


SETTINGS = declared()
CONVERGED = observed("28.5.2")
FRESH = observed("absent")
ME = SETTINGS.host("rk1")


def differing(**values: Any) -> Engine:
    return replace(CONVERGED, **values)


def running(version: str) -> Engine:
    packages = {name: Package(f"5:{version}-1~debian.13~trixie", held=True) for name in PACKAGES}
    content = daemon_json(SETTINGS, version)
    return differing(packages=packages, daemon_json=content, loaded_json=content)


def packages_of(
    engine: Engine, version: str | None = "28.5.2", *, in_swarm: bool = False
) -> list[Finding]:
    return plan_packages(SETTINGS, ME, engine, version, in_swarm=in_swarm)


def the(kind: type[Finding], findings: list[Finding]) -> Finding:
    [finding] = findings
    assert isinstance(finding, kind)
    return finding


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


# The repository
# --------------


def test_without_curl_the_engine_could_not_be_asked() -> None:
    change = the(Change, plan_repository(SETTINGS, differing(curl=False)))
    assert change.what == "package curl"


def test_a_missing_key_is_fetched() -> None:
    change = the(Change, plan_repository(SETTINGS, differing(keyring="")))
    assert "is missing" in change.sentence()
    assert change.expected == LAB_KEY


def test_a_key_that_is_not_the_pinned_one_is_replaced() -> None:
    change = the(Change, plan_repository(declared(key_fingerprint="A" * 40), CONVERGED))
    assert "is not the pinned one" in change.sentence()
    assert change.found == LAB_KEY


@pytest.mark.parametrize(
    "text",
    [
        CONVERGED.keyring * 2,
        CONVERGED.keyring + "\n",
        CONVERGED.keyring.replace("\n\n", "\nComment: of somebody else's\n\n", 1),
        CONVERGED.keyring.replace("\n", "\r\n"),
    ],
)
def test_a_keyring_that_holds_anything_but_what_is_written_there_is_replaced(text: str) -> None:
    change = the(Change, plan_repository(SETTINGS, differing(keyring=text)))
    assert change.what == "Docker's apt key"
    assert read_key(CONVERGED.keyring).armoured == CONVERGED.keyring


@pytest.mark.parametrize("text", ["", "<html>not found</html>", CONVERGED.keyring * 2])
def test_a_published_text_that_is_not_one_key_is_refused(text: str) -> None:
    refusal = accepted_key(text, SETTINGS)
    assert isinstance(refusal, Refusal)
    assert "is not one public key" in refusal.sentence()
    assert "nothing is installed from there" in refusal.sentence()
    assert refusal.found == "no readable key"
    assert "docker.key_fingerprint" in refusal.remedy


def test_a_published_key_that_is_not_the_pinned_one_is_refused_with_both_fingerprints() -> None:
    refusal = accepted_key(CONVERGED.keyring, declared(key_fingerprint="A" * 40))
    assert isinstance(refusal, Refusal)
    assert (refusal.expected, refusal.found) == ("A" * 40, LAB_KEY)


def test_the_pinned_key_is_taken_in_the_form_that_is_written() -> None:
    published = "\n" + CONVERGED.keyring.replace("\n\n", "\nVersion: 1\n\n", 1)
    key = accepted_key(published, SETTINGS)
    assert not isinstance(key, Refusal)
    assert plan_repository(SETTINGS, differing(keyring=key.armoured)) == []


def test_sources_that_differ_are_written_anew() -> None:
    change = the(
        Change,
        plan_repository(SETTINGS, differing(sources=CONVERGED.sources.replace("trixie", "sid"))),
    )
    assert "differs from what is declared" in change.sentence()


def test_stale_entries_are_named() -> None:
    change = the(
        Change,
        plan_repository(SETTINGS, differing(stale=("/etc/apt/sources.list.d/docker.list",))),
    )
    assert "conflicts with the managed one (Signed-By)" in change.sentence()
    assert "/etc/apt/sources.list.d/docker.list" in change.sentence()


def test_a_keyring_that_other_sources_trust_is_named_and_stays() -> None:
    notice = the(Notice, plan_repository(SETTINGS, differing(shared=("/etc/apt/x.gpg",))))
    assert "so it stays" in notice.sentence()
    assert "/etc/apt/x.gpg" in notice.sentence()


def test_the_repository_of_the_hosts_own_distribution_is_used() -> None:
    ubuntu = replace(FRESH, distribution="ubuntu", codename="noble", architecture="arm64")
    text = sources(declared(repository="https://mirror.example.org/docker/"), ubuntu)
    assert "URIs: https://mirror.example.org/docker/ubuntu\n" in text
    assert "Suites: noble\n" in text
    assert "Architectures: arm64\n" in text
    assert "Signed-By: /etc/apt/keyrings/docker.asc\n" in text
    assert key_url(SETTINGS, ubuntu) == "https://download.docker.com/linux/ubuntu/gpg"
    mirrored = declared(repository="https://mirror.example.org/docker/")
    assert key_url(mirrored, ubuntu) == "https://mirror.example.org/docker/ubuntu/gpg"


# Stale entries are taken out, and nothing else: the operation's own shell
# -------------------------------------------------------------------------

DOCKER_SOURCES = """\
Types: deb
URIs: https://download.docker.com/linux/debian
Suites: trixie
Components: stable
"""
DEBIAN_SOURCES = """\
Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Components: main
"""


def removed(root: Path, files: dict[str, str]) -> dict[str, str]:
    """What is left of the files after the operation's script ran over all of them."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
        os.chmod(root / name, 0o644)
    paths = " ".join(str(root / name) for name in files)
    script = program(operations.__file__, "remove_old_entries.sh", files=paths)
    subprocess.run(["sh", "-c", f"umask 077; set -eu\n{script}"], check=True, timeout=20)
    left = [path for path in root.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in left)
    return {str(path.relative_to(root)): path.read_text() for path in left}


def test_dockers_own_files_and_keyrings_go(tmp_path: Path) -> None:
    assert not removed(
        tmp_path,
        {
            "sources.list.d/docker.list": "deb https://download.docker.com/linux/debian x stable\n",
            "sources.list.d/download.docker.com.sources": DOCKER_SOURCES,
            "keyrings/docker.gpg": "x",
            "trusted.gpg.d/docker.asc": "x",
            "keyrings/docker-archive-keyring.gpg": "x",
        },
    )


def test_other_repositories_in_the_same_list_stay(tmp_path: Path) -> None:
    debian = "deb http://mirror.example/debian trixie main\n# a comment\n"
    docker = "deb [arch=amd64] https://download.docker.com/linux/debian trixie stable\n"
    assert removed(tmp_path, {"sources.list": debian + docker}) == {"sources.list": debian}


@pytest.mark.parametrize(
    "content",
    [
        DEBIAN_SOURCES + "\n" + DOCKER_SOURCES,
        DOCKER_SOURCES + "\n\n" + DEBIAN_SOURCES,
        DOCKER_SOURCES + " \n" + DEBIAN_SOURCES,
        DEBIAN_SOURCES + "\n" + "# for Docker\n" + DOCKER_SOURCES.rstrip(),
    ],
)
def test_other_stanzas_of_the_same_sources_stay(content: str, tmp_path: Path) -> None:
    left = removed(tmp_path, {"all.sources": content})
    assert list(left) == ["all.sources"]
    assert left["all.sources"].strip() == DEBIAN_SOURCES.strip()


def test_a_comment_about_docker_makes_no_entry_dockers(tmp_path: Path) -> None:
    content = "# not https://download.docker.com/linux/debian\n" + DEBIAN_SOURCES
    assert removed(tmp_path, {"a.sources": content}) == {"a.sources": content}


# The packages
# ------------


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
    assert "are not held" in change.sentence()
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


# The daemon
# ----------


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
    assert set(content) == {"iptables", "live-restore", "log-driver", "log-opts"} | keys
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
  "iptables": true,
  "live-restore": false,
  "log-driver": "json-file",
  "log-opts": {
    "max-file": "3",
    "max-size": "10m"
  }
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
    assert (json.loads(findings[0].expected), findings[0].found) == (json.loads(WANTED), "")
    only_more = json.dumps({**json.loads(WANTED), "log-level": "warn", "debug": True})
    change = the(Change, plan_daemon(SETTINGS, differing(daemon_json=only_more)))
    assert (change.expected, change.found) == ("", '{"debug": true, "log-level": "warn"}')


def test_a_differing_configuration_is_told_by_what_differs_and_not_whole() -> None:
    change, restart = plan_daemon(declared(log_max_size="50m", daemon={"debug": True}), CONVERGED)
    assert change.expected == ('{"debug": true, "log-opts": {"max-file": "3", "max-size": "50m"}}')
    assert change.found == '{"log-opts": {"max-file": "3", "max-size": "10m"}}'
    assert "live-restore" not in change.sentence()
    assert "has not read the configuration that is declared" in restart.sentence()


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
