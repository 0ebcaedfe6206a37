"""S2: ports that nobody reaches, that everybody reaches, or that belong to somebody else."""

from __future__ import annotations

import pytest

from pyinfra_swarm.settings import Settings
from pyinfra_swarm.stacks.lint import Context, Firewall, Node, Opening, declared
from tests.builders import declared as declared_cluster
from tests.unit.stacks.stack_examples import changed, issues, rules

FIREWALL = Firewall(
    "cloudflare",
    (80, 443),
    (Opening(8000, 8010, "tcp"), Opening(53, 53, "udp", ("192.168.1.0/24",))),
)
REFUSED = [("S2", "refusal")]


def published(ports: str, context: Context | None = None, more: str = "") -> list[tuple[str, str]]:
    text = changed(more=f"ports: {ports}\n{more}")
    return rules(issues(text, context=context or Context(firewall=FIREWALL)))


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        *(("['80:80']", []), ("['443:8443/tcp']", []), ("['443:8443/udp']", REFUSED)),
        *(("['8000:1']", []), ("['8010:1']", []), ("['7999:1']", REFUSED), ("['8011:1']", REFUSED)),
        *(("['53:53/udp']", []), ("['53:53/tcp']", REFUSED)),
        ("['8009-8012:9009-9012']", REFUSED * 2),
        ("[{ target: 1, published: 81 }]", REFUSED),
        ("[{ target: 1, published: 80 }]", []),
    ],
)
def test_a_port_that_the_firewall_does_not_open_is_refused(
    ports: str, expected: list[tuple[str, str]]
) -> None:
    assert published(ports) == expected


def test_without_a_firewall_of_ours_nothing_is_said_of_it() -> None:
    assert published("['5432:5432']", Context()) == []


def test_closed_web_ports_are_closed() -> None:
    closed = Context(firewall=Firewall("closed", (80, 443), (Opening(80, 80, "tcp"),)))
    assert published("['80:80']", closed) == []
    (issue,) = issues(changed(more="ports: ['443:443']"), context=closed)
    assert 'firewall.web = "closed"' in issue.reason
    assert 'set firewall.web = "cloudflare"' in issue.remedy


@pytest.mark.parametrize("mode", ["tunnel", "none"])
def test_web_ports_that_the_mode_closes_are_opened_by_another_mode(mode: str) -> None:
    secret = {"name": "tunnel_token", "env": "TUNNEL_TOKEN"}
    tunnel = {"tunnel": {"token": "tunnel_token"}} if mode == "tunnel" else {}
    settings = declared_cluster(1, 0, secrets=[secret], exposure={"mode": mode, **tunnel})
    (issue,) = issues(changed(more="ports: ['443:443']"), context=declared(settings))
    assert f'exposure.mode = "{mode}" closes it' in issue.reason
    assert issue.remedy.startswith('set exposure.mode = "ports" in cluster.toml; or publish no')
    assert ("tunnel reach" in issue.remedy) is (mode == "tunnel")


def test_the_remedy_names_the_setting() -> None:
    (tcp,) = issues(changed(more="ports: ['81:81']"), context=Context(firewall=FIREWALL))
    assert '{ port = 81, sources = ["192.168.1.0/24"] } to firewall.open' in tcp.remedy
    (udp,) = issues(changed(more="ports: ['81:81/udp']"), context=Context(firewall=FIREWALL))
    assert '{ port = 81, protocol = "udp", sources = ["192.168.1.0/24"] }' in udp.remedy


def test_the_remedy_opens_a_port_to_the_hosts_own_network() -> None:
    nodes = (Node("rk0", address="93.184.216.34"), Node("rk1", address="10.1.2.3"))
    (issue,) = issues(
        changed(more="ports: ['81:81']"), context=Context(nodes=nodes, firewall=FIREWALL)
    )
    assert 'sources = ["10.1.2.0/24"]' in issue.remedy
    assert "without sources: everybody" in issue.remedy


def test_a_port_with_an_address_is_told_one_remedy_alone() -> None:
    assert published("['127.0.0.1:9000:9000']") == REFUSED


def settings(**firewall: object) -> Settings:
    return Settings.model_validate(
        {
            "hosts": [
                {"name": "rk1", "address": "192.168.1.11", "role": "manager", "ssh_port": 2222},
                {"name": "rk2", "address": "192.168.1.12", "role": "worker"},
            ],
            "firewall": firewall,
            "swarm": {"data_path_port": 4790},
            "networks": {"overlays": [{"name": "public"}]},
        }
    )


def test_the_settings_say_what_is_open() -> None:
    context = declared(
        settings(
            open=[
                {"port": "8000-8010"},
                {"port": 53, "protocol": "udp", "sources": ["cluster"]},
            ]
        ),
        "shop",
    )
    assert context.firewall == Firewall(
        "cloudflare", (80, 443), (Opening(8000, 8010, "tcp"), Opening(53, 53, "udp", ("cluster",)))
    )
    assert (context.stack, context.ssh_ports, context.data_path_port) == ("shop", (22, 2222), 4790)
    assert context.networks["public"].encrypted
    assert [(node.name, node.role) for node in context.nodes or ()] == [
        ("rk1", "manager"),
        ("rk2", "worker"),
    ]


@pytest.mark.parametrize("firewall", [{"enabled": False}, {"inbound": "accept"}])
def test_a_firewall_that_lets_everything_in_refuses_nothing(firewall: dict[str, object]) -> None:
    assert declared(settings(**firewall)).firewall is None


@pytest.mark.parametrize(
    ("port", "refused"),
    [
        *(("22:22", True), ("22:22/udp", False), ("2222:22", False), ("2377:1", True)),
        *(("7946:1", True), ("7946:1/udp", True), ("4789:1/udp", True), ("4789:1", False)),
        *(("2377:1/udp", False), ("4790:1/udp", False)),
    ],
)
def test_the_hosts_own_ports_are_refused(port: str, refused: bool) -> None:
    assert bool(published(f"['{port}']", Context())) is refused


def test_the_hosts_own_ports_are_those_that_are_declared() -> None:
    context = Context(ssh_ports=(2222,), data_path_port=4790)
    assert published("['2222:22']", context) == REFUSED
    assert published("['22:22']", context) == []
    assert published("['4790:1/udp']", context) == REFUSED
    assert published("['4789:1/udp']", context) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.11", "[::1]"])
def test_an_address_is_ignored_and_that_is_refused(address: str) -> None:
    (issue,) = issues(changed(more=f"ports: ['{address}:8080:80']"))
    assert (issue.rule, issue.severity) == ("S2", "refusal")
    assert address.strip("[]") in issue.reason
    assert "every address of every node" in issue.reason


def test_an_address_of_a_range_is_told_once() -> None:
    assert published("['127.0.0.1:8001-8003:1-3']") == REFUSED


def test_a_port_that_swarm_chooses_is_told() -> None:
    assert published("['80']") == [("S2", "notice")]
    assert published("[{ target: 80 }]") == [("S2", "notice")]
    assert published("[{ target: 80, mode: host }]") == [("S2", "notice")]
    assert published("['80', '22:22']", Context()) == [("S2", "notice"), ("S2", "refusal")]


HOST = "{ target: 1, published: 80, mode: host }"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        *(("['80:1', '80:2']", REFUSED), ("['80:1', '80:1/udp']", REFUSED)),
        (f"['80:1', {HOST}]", [("S2", "refusal"), ("S2", "notice")]),
        (f"[{HOST}, {HOST.replace('1', '2')}]", [("S2", "notice"), *REFUSED, ("S2", "notice")]),
    ],
)
def test_a_port_is_published_once(ports: str, expected: list[tuple[str, str]]) -> None:
    # The second case is refused for its protocol, which the firewall does not open.
    assert published(ports) == expected


def two(first: str, second: str) -> list[tuple[str, str]]:
    text = changed(more=f"ports: [{first}]")
    body = text.partition("services:\n")[2].partition("networks:\n")[0]
    other = body.replace("web:", "api:").replace(first, second)
    return rules(issues(text.replace("\nnetworks:", f"\n{other}networks:")))


def test_two_services_publish_a_port_only_in_host_mode() -> None:
    host = "{ target: 1, published: 80, mode: host }"
    assert two("'80:1'", "'80:2'") == REFUSED
    assert two("'80:1'", "'81:1'") == []
    assert two("'80:1'", "'80:1/udp'") == []
    assert ("S2", "refusal") in two("'80:1'", host)
    assert ("S2", "refusal") in two(host, "'80:1'")
    assert ("S2", "refusal") not in two(host, host)


def test_a_port_of_another_stack_is_refused() -> None:
    taken = Context(stack="shop", taken={(80, "tcp"): "blog_web"})
    assert published("['80:80']", taken) == REFUSED
    assert published("['80:80/udp']", taken) == []
    assert published("['80:80']", Context(stack="blog", taken=taken.taken)) == []
    assert published(f"[{HOST}]", taken) == [("S2", "notice")]


def test_host_mode_needs_a_place() -> None:
    assert published(f"[{HOST}]") == [("S2", "notice")]
    limits = "resources: { limits: { memory: 64M } }"
    for more in ("mode: global", "placement: { constraints: [node.role == manager] }"):
        text = changed((limits, f"{limits}\n      {more}"), more=f"ports: [{HOST}]")
        assert issues(text, context=Context(firewall=FIREWALL)) == ()


def test_the_routing_mesh_needs_a_virtual_address() -> None:
    limits = "resources: { limits: { memory: 64M } }"
    dnsrr = (limits, f"{limits}\n      endpoint_mode: dnsrr")
    assert rules(issues(changed(dnsrr, more="ports: ['80:80']"))) == REFUSED
    assert rules(issues(changed(dnsrr, more=f"ports: [{HOST}]"))) == [("S2", "notice")]


def test_a_port_that_holds_an_unknown_variable_is_left_alone() -> None:
    assert published("['${PORT}:80']") == []
    assert published("[{ target: 80, published: '${PORT}' }]") == []


# What is told
# ------------


def reasons(ports: str, context: Context | None = None) -> list[str]:
    found = issues(changed(more=f"ports: {ports}"), context=context or Context())
    return [issue.reason for issue in found]


def test_who_publishes_a_port_already_is_told() -> None:
    [own] = reasons("['80:1', '80:2']")
    assert own.startswith("80/tcp is published by this service already, in line 5, and")
    text = changed(more="ports: ['80:1']")
    body = text.partition("services:\n")[2].partition("networks:\n")[0]
    both = text.replace("\nnetworks:", f"\n{body.replace('web:', 'api:')}networks:")
    [other] = [issue.reason for issue in issues(both)]
    assert other.startswith("80/tcp is published by the service web already, in line 5, and")


def test_whose_port_it_is_is_told_and_that_sshs_would_lock_out() -> None:
    [ssh] = reasons("['22:22']")
    assert ssh.startswith("22/tcp is SSH's port on every node")
    assert ssh.endswith("you would be locked out")
    [own] = reasons("['2377:1']")
    assert own == "2377/tcp is the swarm's own port on every node"


def test_a_web_port_is_closed_over_tcp_alone() -> None:
    closed = Context(firewall=Firewall("closed", (80, 443)))
    found = reasons("['443:1', '444:1', '443:1/udp']", closed)
    assert [one.partition(",")[0] for one in found] == [
        "443/tcp is a web port",
        "444/tcp is not open in the hosts' firewall: nobody reaches it",
        "443/udp is not open in the hosts' firewall: nobody reaches it",
    ]


def test_where_no_host_has_a_private_address_an_example_is_written() -> None:
    for nodes in ((Node("rk0"), Node("rk1", address="fd00::1")), None):
        (issue,) = issues(
            changed(more="ports: ['81:81']"), context=Context(nodes=nodes, firewall=FIREWALL)
        )
        assert 'sources = ["192.168.1.0/24"]' in issue.remedy
