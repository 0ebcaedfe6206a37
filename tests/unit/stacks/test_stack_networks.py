"""S1 and S13: no overlay without encryption, be it written, implied, external or there already."""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks.lint import Context, Network
from pyinfra_swarm.stacks.lint.networks import made_networks
from tests.unit.stacks.stack_examples import GOOD, changed, issues, rules, stack

FRONT = '  front: { driver_opts: { encrypted: "true" } }\n'


def front(text: str, context: Context | None = None) -> list[tuple[str, str]]:
    """What is said of the network if it is declared so."""
    return rules(issues(changed((FRONT, f"  front: {text}\n")), context=context))


def test_the_example_is_in_order() -> None:
    assert issues(GOOD) == ()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "{ driver: overlay }", "{ attachable: true, internal: true }"),
        "{ driver_opts: { com.docker.network.driver.mtu: 1400 } }",
        "{ driver: '', driver_opts: {} }",
        "{ external: false }",
        "{ driver_opts: { Encrypted: 'true' } }",
    ],
)
def test_an_overlay_without_the_option_is_refused(text: str) -> None:
    (issue,) = issues(changed((FRONT, f"  front: {text}\n")))
    assert (issue.rule, issue.severity, issue.path) == ("S1", "refusal", "networks.front")
    assert issue.reason.endswith("crosses the wires in clear text")


@pytest.mark.parametrize("text", ['"true"', "'True'", '""'])
def test_an_overlay_with_the_option_is_not(text: str) -> None:
    assert front(f"{{ driver_opts: {{ encrypted: {text} }} }}") == []


def test_the_option_is_there_in_any_case_so_a_false_one_misleads() -> None:
    (issue,) = issues(changed((FRONT, '  front:\n    driver_opts:\n      encrypted: "false"\n')))
    assert (issue.rule, issue.severity, issue.path) == (
        "S1",
        "refusal",
        "networks.front.driver_opts.encrypted",
    )
    assert "encrypts all the same" in issue.reason
    assert issue.remedy == 'write "true"'
    assert front("{ driver_opts: { encrypted: 0 } }") == [("S1", "refusal")]


@pytest.mark.parametrize(
    "text",
    [
        *("{ driver: macvlan }", "{ driver: weave }", "{ external: true }", "{ driver: '${D}' }"),
        *("{ external: '${E}' }", "{ driver_opts: { encrypted: '${E}' } }"),
    ],
)
def test_what_is_no_overlay_of_this_file_or_unknown_is_left_alone(text: str) -> None:
    assert front(text) == []


def test_an_option_that_docker_refuses_is_told_as_that() -> None:
    assert {rule for rule, _ in front("{ driver_opts: { encrypted: [x] } }")} == {"S0"}


def test_a_network_that_nobody_is_in_is_never_created() -> None:
    assert issues(GOOD + "  unused: {}\n") == ()


@pytest.mark.parametrize("networks", ["", "networks: []", "networks: {}", "networks: [default]"])
def test_the_default_network_of_a_stack_is_refused(networks: str) -> None:
    found = issues(changed(("    networks: [front]\n", f"    {networks}\n" if networks else "")))
    assert rules(found) == [("S13", "refusal")]
    assert "clear text" in found[0].reason
    assert "web is in no network" in found[0].reason
    assert found[0].path == "networks.default"


def test_the_default_network_may_be_declared_encrypted() -> None:
    text = changed(("[front]", "[default]"), ("  front: {", "  default: {"))
    assert issues(text) == ()
    clear = changed(("[front]", "[default]"), (FRONT, "  default: {}\n"))
    assert rules(issues(clear)) == [("S13", "refusal")]


def test_the_default_network_is_told_once_with_all_its_services() -> None:
    text = GOOD.replace("    networks: [front]\n", "")
    second = text.partition("services:\n")[2].partition("networks:\n")[0].replace("web:", "db:")
    found = issues(text.replace("networks:\n", f"{second}networks:\n"))
    assert rules(found) == [("S13", "refusal")]
    assert "web and db are in no network" in found[0].reason


def test_a_service_without_networks_has_none_by_host_mode_either() -> None:
    text = changed(("    networks: [front]\n", "    network_mode: host\n"))
    assert ("S13", "refusal") in rules(issues(text))


def test_a_network_that_is_declared_nowhere_is_what_docker_refuses() -> None:
    (issue,) = issues(changed(("[front]", "[front, back]")))
    assert (issue.rule, issue.severity, issue.path) == (
        "S0",
        "refusal",
        "services.web.networks.back",
    )


EXTERNAL = "{ external: true, name: shared }"


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (Network("overlay", False), [("S1", "refusal")]),
        (Network("overlay", True), []),
        (Network("macvlan", False), []),
    ],
)
def test_an_external_network_is_judged_by_what_it_is(
    network: Network, expected: list[tuple[str, str]]
) -> None:
    context = Context(networks={"shared": network})
    assert front(EXTERNAL, context) == expected
    assert front("{ external: { name: shared } }", context) == expected
    assert front("{ external: true }", Context(networks={"front": network})) == expected
    assert front("{ external: true, name: '${N}' }", context) == []


def test_what_is_there_in_clear_text_is_told_at_the_network() -> None:
    clear = Network("overlay", False)
    for text, context in (
        (EXTERNAL, Context(networks={"shared": clear})),
        ('{ driver_opts: { encrypted: "true" } }', Context("shop", networks={"shop_front": clear})),
        (EXTERNAL, Context(networks={"share": clear}, alone=True)),
    ):
        (issue,) = issues(changed((FRONT, f"  front: {text}\n")), context=context)
        assert issue.path == "networks.front"


def test_beside_the_settings_alone_an_external_network_has_to_be_declared() -> None:
    alone = Context(networks={"public": Network("overlay", True)}, alone=True)
    assert front("{ external: true, name: public }", alone) == []
    assert front("{ external: true, name: host }", alone) == []
    assert front("{ external: true, name: '${N}' }", alone) == []
    (issue,) = issues(
        changed((FRONT, "  front: { external: true, name: publik }\n")), context=alone
    )
    assert (issue.rule, issue.severity) == ("S1", "notice")
    assert issue.remedy.startswith("did you mean public? Else add { name")


def test_what_a_stack_makes_has_its_name_or_the_one_that_is_written() -> None:
    made = stack(
        """\
        services: {}
        networks:
          out: { external: true, name: shared }
          plain: {}
          named: { name: real }
          unknown: { name: "${N}" }
          own: { external: false }
          nothing:
        """
    )
    assert made_networks(made, "shop") == {
        *("shop_default", "shop_plain", "real", "shop_unknown", "shop_own", "shop_nothing")
    }


def test_an_external_network_that_nobody_knows_is_left_alone() -> None:
    assert front(EXTERNAL, Context(networks={"front": Network("overlay", False)})) == []


def test_the_engines_own_networks_are_no_overlays() -> None:
    clear = Network("overlay", False)
    for name in ("host", "bridge", "none", "ingress"):
        assert front(f"{{ external: true, name: {name} }}", Context(networks={name: clear})) == []


def test_docker_does_not_change_a_network_that_is_there() -> None:
    clear = Network("overlay", False)
    there = Context(stack="shop", networks={"shop_front": clear})
    encrypted = '{ driver_opts: { encrypted: "true" } }'
    assert front(encrypted, there) == [("S1", "refusal")]
    assert front(encrypted, Context(stack="other", networks={"shop_front": clear})) == []
    assert front(encrypted, Context(networks={"_front": clear})) == []
    assert (
        front(encrypted, Context("shop", networks={"shop_front": Network("overlay", True)})) == []
    )
    named = '{ name: real, driver_opts: { encrypted: "true" } }'
    assert front(named, Context(networks={"real": clear})) == [("S1", "refusal")]
    assert front(named, there) == []


def test_a_second_file_takes_the_encryption_away_and_is_told_so() -> None:
    second = "networks:\n  front:\n    attachable: true\n"
    (issue,) = issues(GOOD, second)
    assert (issue.rule, issue.severity, issue.file, issue.line) == ("S1", "refusal", "b.yml", 2)
    assert "a.yml, line 14" in issue.reason
    assert issues(second, GOOD) == ()


@pytest.mark.parametrize("comment", ["S1", "S13", "S1, S13"])
def test_no_comment_silences_it(comment: str) -> None:
    text = changed((FRONT, f"  front: {{}} # pyinfra-swarm: ignore {comment} because I like it\n"))
    assert ("S1", "refusal") in rules(issues(text))
    assert ("S16", "notice") in rules(issues(text))
