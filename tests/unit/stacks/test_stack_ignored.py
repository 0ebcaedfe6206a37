"""S10: keys that change nothing; S0: keys that docker refuses.

What engines really make of them: ``tests/engines/test_engines_stack_rules.py``.
"""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks.accepted import FORBIDDEN
from pyinfra_swarm.stacks.lint.ignored import KEYS
from tests.unit.stacks.stack_examples import GOOD, changed, issues, rules

VALUES = {
    **dict.fromkeys(("depends_on", "devices", "expose", "external_links", "links"), "[x]"),
    **{"security_opt": "[x]", "privileged": "true", "tmpfs": "/x"},
}
"""Values that docker's schema takes; all other keys take a text."""


@pytest.mark.parametrize("key", KEYS)
def test_a_key_without_an_effect_is_told(key: str) -> None:
    (issue,) = issues(changed(more=f"{key}: {VALUES.get(key, 'x')}"))
    assert (issue.rule, issue.severity, issue.path) == ("S10", "notice", f"services.web.{key}")
    assert issue.line == 5


def test_docker_names_these_itself() -> None:
    """``UnsupportedProperties`` and ``DeprecatedProperties`` of docker/cli v29.7.2."""
    unsupported = (
        "build cgroupns_mode cgroup_parent devices domainname external_links ipc links "
        "mac_address network_mode pid privileged restart security_opt shm_size userns_mode"
    )
    named = {*unsupported.split(), "container_name", "expose"}
    assert named - KEYS.keys() == {"restart"}
    assert KEYS.keys() - named == {"depends_on", "tmpfs"}


def test_a_restart_policy_in_the_old_place() -> None:
    (issue,) = issues(changed(more="restart: always"))
    assert (issue.rule, issue.path) == ("S10", "services.web.restart")
    assert "all the same" in issue.reason
    limits = "resources: { limits: { memory: 64M } }"
    text = changed((limits, f"{limits}\n      restart_policy: {{}}"), more="restart: always")
    (issue,) = issues(text)
    assert "deploy.restart_policy holds" in issue.reason


def test_an_address_for_a_task_is_told() -> None:
    text = changed(("[front]", "{ front: { ipv4_address: 10.0.0.9, aliases: [a] } }"))
    assert rules(issues(text)) == [("S10", "notice")]


@pytest.mark.parametrize("key", ["ipv4_address", "ipv6_address"])
def test_each_kind_of_address_is_told_where_it_stands(key: str) -> None:
    [issue] = issues(changed(("[front]", f"{{ front: {{ {key}: '::1' }} }}")))
    assert issue.path == f"services.web.networks.front.{key}"


def test_a_service_that_names_no_networks_has_no_address_in_one() -> None:
    alone = "services: {web: {image: 'a:1'}}"
    assert "S10" not in {issue.rule for issue in issues(alone)}


def test_tags_of_composes_are_told() -> None:
    (issue,) = issues(changed(more="user: !override me"))
    assert (issue.rule, issue.line, issue.path) == ("S10", 5, "")
    assert "!override" in issue.reason


@pytest.mark.parametrize("key", FORBIDDEN)
def test_a_forbidden_key_is_refused_once(key: str) -> None:
    (issue,) = issues(changed(more=f"{key}: x"))
    assert (issue.rule, issue.severity, issue.path) == ("S0", "refusal", f"services.web.{key}")


@pytest.mark.parametrize(
    ("lines", "says", "remedy"),
    [
        ("profiles: [a]", "knows no such key", "stack of its own"),
        ("platform: linux/arm64", "knows no such key", "node.platform.arch"),
        ("pull_policy: always", "knows no such key", "asks the registry"),
        ("imagee: x", "knows no such key", "did you mean image?"),
        ("zzzzzz: x", "knows no such key", "delete it"),
        ("depends_on: { db: { condition: service_healthy } }", "is a mapping", "all services"),
        ("user: 1000", "is a whole number, where docker stack wants a text", 'quote it: "1000"'),
        ("ports: [{ target: '80' }]", "is a text", "without quotes"),
        ("ports: ['80:80', '80:80']", "is there twice", "delete"),
        ("ports: ['http']", "is no port", "8080:80"),
        ("stop_grace_period: 10", "is a whole number", 'quote it: "10"'),
        ("stop_grace_period: ten", "no length of time", "30s"),
        ("read_only: yes", "is a text, where docker stack wants true or false", "true or false"),
        ("environment: { A: true }", "is true or false", 'quote it: "true"'),
        ("volumes: [{ target: /a }]", "has no type", "add it"),
        ("volumes: [{ type: tmpfs, tmpfs: { size: -1 } }]", "less than 0", "larger"),
        ("logging: { driver: x, nothing: 1 }", "knows no such key", "delete it"),
        ("ulimits: { nofile: { soft: 1 } }", "has no hard", "add it"),
        ("deploy_: 1", "knows no such key", "did you mean deploy?"),
    ],
)
def test_what_docker_refuses_is_told_at_its_line(lines: str, says: str, remedy: str) -> None:
    found = issues(changed(more=lines))
    (issue,) = [one for one in found if one.rule == "S0"]
    assert issue.line == 5
    assert says in issue.reason
    assert remedy in issue.remedy


@pytest.mark.parametrize(
    ("text", "path", "remedy"),
    [
        ("name: shop\n" + GOOD, "name", "docker stack deploy -c FILE NAME"),
        ("include: [a.yml]\n" + GOOD, "include", "give both files"),
        ("version: '2.4'\n" + GOOD, "version", "delete the line"),
        ("version: '3.14'\n" + GOOD, "version", "delete the line"),
        ("version: 3.8\n" + GOOD, "version", 'quote it: "3.8"'),
        ("services:\n  'a b': { image: 'a:1' }\n", "services.a b", "another name"),
        ("services: []\n", "services", "a mapping"),
        ("services: { web: nginx }\n", "services.web", "a mapping"),
        (GOOD + "secrets: { a: { environment: A } }\n", "secrets.a.environment", "[[secrets]]"),
        (GOOD + "configs: { a: { content: x } }\n", "configs.a.content", "[[configs]]"),
        (GOOD + "volumes: { a: { type: nfs } }\n", "volumes.a.type", "delete it"),
        (
            GOOD.replace('encrypted: "true"', "encrypted: true"),
            "networks.front.driver_opts.encrypted",
            'quote it: "true"',
        ),
        (
            GOOD.replace("monitor: 30s", "order: fast"),
            "services.web.deploy.update_config.order",
            "start-first or stop-first",
        ),
    ],
)
def test_what_docker_refuses_elsewhere(text: str, path: str, remedy: str) -> None:
    found = [one for one in issues(text) if one.rule == "S0"]
    assert [(one.severity, one.path) for one in found] == [("refusal", path)]
    assert remedy in found[0].remedy


@pytest.mark.parametrize("version", ["", "'3'", "'3.0'", "'3.8'", "'3.13'", "null"])
def test_versions_that_docker_stack_knows(version: str) -> None:
    found = issues(f"version: {version}\n{GOOD}")
    assert rules(found) == ([] if "'" in version else [("S0", "refusal")])


def test_extensions_are_no_keys() -> None:
    assert issues("x-a: { b: [1] }\n" + changed(more="x-b: 1")) == ()


def test_what_is_unknown_is_no_violation() -> None:
    text = changed(
        more="""\
        ports: ["${A}:${B}", { target: "${A}", published: "${B}" }]
        stop_grace_period: ${C}
        read_only: ${D}
        cap_add: ["${E}", "${F}"]
        """
    )
    assert issues(text) == ()
