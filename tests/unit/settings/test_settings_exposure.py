"""`[exposure]`: what follows from a mode, what contradicts it, and who would get in."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.firewall.web_ranges import SHIPPED, covered
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.exposure import CLOUDFLARE_DDNS, CLOUDFLARED
from pyinfra_swarm.settings.exposure_conflicts import CLOUDFLARES
from pyinfra_swarm.settings.exposure_modes import OWN_STACK
from tests.unit.settings.settings_examples import four_boards, problems, the_problem

TOKEN = {"name": "tunnel_token", "env": "TUNNEL_TOKEN"}
TUNNEL = {"mode": "tunnel", "tunnel": {"token": "tunnel_token"}}


def data(**sections: Any) -> dict[str, Any]:
    return {**four_boards(), "secrets": [TOKEN], **sections}


def made(**sections: Any) -> Settings:
    return Settings(**data(**sections))


class TestAMode:
    def test_is_ports_where_nothing_is_said_and_leaves_the_firewall_as_it_was(self) -> None:
        settings = Settings(**four_boards())
        assert settings.exposure.mode == "ports"
        assert settings.firewall.web == "cloudflare"
        assert settings.exposure.own_stack == ""
        assert settings.overlays == ()

    @pytest.mark.parametrize("exposure", [TUNNEL, {"mode": "none"}])
    def test_without_visitors_closes_the_web_ports(self, exposure: Any) -> None:
        settings = made(exposure=exposure)
        assert settings.firewall.web == "closed"
        assert Settings(**settings.model_dump()) == settings
        assert Settings(**settings.model_dump(exclude_unset=True)) == settings

    @pytest.mark.parametrize("mode", ["tunnel", "none"])
    def test_without_visitors_is_what_the_firewall_s_other_settings_are_held_against(
        self, mode: str
    ) -> None:
        exposure = {**TUNNEL, "mode": mode}
        settings = made(exposure=exposure, firewall={"closed": [443]})
        assert settings.firewall.closed
        listed = {"web_sources": ["203.0.113.0/28"]}
        problem = the_problem(data(exposure=exposure, firewall=listed))
        assert problem.reason == 'has no meaning with firewall.web = "closed"'
        assert the_problem(data(firewall={"closed": [443]})).field == "firewall.closed[0]"
        no_tables: list[Any] = [5, "open", [], None]
        for odd in no_tables:
            fields = {one.field for one in problems(data(exposure=exposure, firewall=odd))}
            assert fields == {"firewall"}

    def test_tunnel_brings_its_network_unless_it_is_declared(self) -> None:
        assert [one.name for one in made(exposure=TUNNEL).overlays] == ["edge"]
        own = {"overlays": [{"name": "edge", "subnet": "10.210.0.0/24"}]}
        [edge] = made(exposure=TUNNEL, networks=own).overlays
        assert edge.subnet == "10.210.0.0/24"

    def test_may_change_while_the_tunnel_stays_written_down(self) -> None:
        settings = made(exposure={**TUNNEL, "mode": "ports"})
        assert settings.overlays == ()
        assert settings.exposure.own_stack == ""


CONFLICTS = [
    ({"web": "open"}, "firewall.web", "everybody: all 4294967296 IPv4 addresses"),
    ({"web": "cloudflare"}, "firewall.web", "15 IPv4 ranges with 1524736 addresses"),
    (
        {"web": "listed", "web_sources": ["192.168.1.0/24", "203.0.113.0/28", "2001:db8::/32"]},
        "firewall.web",
        "16 IPv4 addresses and 1 IPv6 network outside of private networks",
    ),
    ({"open": [{"port": 443}]}, "firewall.open[0]", "to everybody: all IPv4 and IPv6 addresses"),
    ({"open": [{"port": "80-443"}]}, "firewall.open[0]", "opens the web port 80, 443 to everybody"),
    (
        {"open": [{"port": 80, "sources": ["2001:db8::/32", "2001:db9::/32"]}]},
        "firewall.open[0]",
        "opens the web port 80 to 2 IPv6 networks outside of private networks",
    ),
    (
        {"web": "listed", "web_sources": ["203.0.113.9"]},
        "firewall.web",
        "would let in 1 IPv4 addresses outside of private networks.",
    ),
    (
        {"open": [{"port": "400-500", "sources": ["198.51.100.0/24"]}]},
        "firewall.open[0]",
        "opens the web port 443 to 256 IPv4 addresses outside of private networks",
    ),
    (
        {"web_ports": [8443], "open": [{"port": 8443}]},
        "firewall.open[0]",
        "opens the web port 8443",
    ),
]


@pytest.mark.parametrize("mode", ["tunnel", "none"])
@pytest.mark.parametrize(("firewall", "field", "who"), CONFLICTS)
def test_a_way_in_beside_it_is_refused_with_who_would_get_in(
    mode: str, firewall: Any, field: str, who: str
) -> None:
    problem = the_problem(data(exposure={**TUNNEL, "mode": mode}, firewall=firewall))
    assert problem.field == field
    assert who in problem.reason
    assert f'exposure.mode = "{mode}"' in problem.reason
    if field == "firewall.web":
        why = {"tunnel": "open the tunnel from inside", "none": "is to get in from the internet"}
        assert problem.reason.endswith(why[mode])


def test_sources_that_count_for_nothing_let_nobody_in() -> None:
    closed = {"web": "closed", "web_sources": ["203.0.113.0/28"]}
    problem = the_problem(data(exposure=TUNNEL, firewall=closed))
    assert problem.field == "firewall.web_sources"


def test_what_is_no_port_and_a_secret_without_a_name_are_told_as_that() -> None:
    ports = {"web_ports": ["x", 443], "open": [{"port": 443}]}
    found = [one.field for one in problems(data(exposure=TUNNEL, firewall=ports))]
    assert sorted(found) == ["firewall.open[0]", "firewall.web_ports[0]"]
    assert the_problem(data(secrets=[TOKEN, {"env": "X"}])).field == "secrets[1].name"


@pytest.mark.parametrize("firewall", [one for one, _, _ in CONFLICTS])
def test_with_ports_the_same_is_what_is_wanted(firewall: Any) -> None:
    made(firewall=firewall)


@pytest.mark.parametrize(
    "firewall",
    [
        {"web": "closed"},
        {"web": "listed", "web_sources": ["192.168.1.0/24", "fd00::/8"]},
        {"open": [{"port": 443, "sources": ["192.168.1.0/24", "cluster"]}]},
        {"open": [{"port": 443, "protocol": "udp"}]},
        {"open": [{"port": 25565}]},
        {"web_ports": [8443], "open": [{"port": 443}]},
    ],
)
def test_what_lets_nobody_from_the_internet_in_to_a_web_port_is_no_conflict(firewall: Any) -> None:
    made(exposure=TUNNEL, firewall=firewall)


PRIVATE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
    *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
)


@pytest.mark.parametrize("network", PRIVATE)
def test_a_network_of_a_home_s_or_a_provider_s_inside_is_nobody_from_the_internet(
    network: str,
) -> None:
    made(exposure=TUNNEL, firewall={"web": "listed", "web_sources": [network]})
    twice = ipaddress.ip_network(network).supernet()
    wider = {"web": "listed", "web_sources": [str(twice)]}
    found = problems(data(exposure=TUNNEL, firewall=wider))
    assert "firewall.web" in {one.field for one in found}


def test_a_source_that_is_to_be_written_otherwise_is_counted_already() -> None:
    listed = {"web": "listed", "web_sources": ["nonsense", "203.0.113.5/24"]}
    found = {one.field: one for one in problems(data(exposure=TUNNEL, firewall=listed))}
    assert found.keys() == {"firewall.web", *(f"firewall.web_sources[{n}]" for n in (0, 1))}
    assert "256 IPv4 addresses" in found["firewall.web"].reason


def test_the_way_in_that_is_refused_is_told_with_its_value() -> None:
    assert the_problem(data(exposure=TUNNEL, firewall={"web": "open"})).value == '"open"'
    openings = [{"port": 25565}, {"port": 443}]
    problem = the_problem(data(exposure=TUNNEL, firewall={"open": openings}))
    assert (problem.field, problem.value) == ("firewall.open[1]", None)


def test_the_arithmetic_is_that_of_the_ranges_that_the_firewall_ships() -> None:
    assert (len(SHIPPED["ipv4"]), covered(SHIPPED["ipv4"])) == CLOUDFLARES


NETWORKS = st.one_of(
    st.builds(
        lambda number, length: str(ipaddress.ip_network((number, length), strict=False)),
        st.integers(0, 2**32 - 1),
        st.integers(1, 32),
    ),
    st.sampled_from(["10.0.0.0/8", "192.168.1.0/24", "100.64.0.0/10", "fd00::/8", "2001:db8::/32"]),
)


@given(st.lists(NETWORKS, min_size=1, max_size=4, unique=True))
def test_a_listed_network_is_a_conflict_just_where_it_holds_a_public_address(
    sources: list[str],
) -> None:
    given_sources = {"web": "listed", "web_sources": sources}
    private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
    private += ["169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10"]
    inside = [
        any(
            one.version == own.version
            and int(own.network_address) <= int(one.network_address)
            and int(one.broadcast_address) <= int(own.broadcast_address)
            for own in map(ipaddress.ip_network, private)
        )
        for one in map(ipaddress.ip_network, sources)
    ]
    everything = data(exposure=TUNNEL, firewall=given_sources)
    if all(inside):
        Settings(**everything)
    else:
        assert {one.field for one in problems(everything)} >= {"firewall.web"}


class TestAToken:
    def test_is_needed_for_a_tunnel_and_for_dynamic_dns(self) -> None:
        assert the_problem(data(exposure={"mode": "tunnel"})).field == "exposure.tunnel.token"
        dns = {"dynamic_dns": {"domains": ["home.example.org"]}}
        assert the_problem(data(exposure=dns)).field == "exposure.dynamic_dns.token"
        assert the_problem(data(exposure=dns)).instead.startswith('token = "dns_token", and')
        tunnel = the_problem(data(exposure={"mode": "tunnel"}))
        assert tunnel.instead.startswith('token = "tunnel_token", and')

    @pytest.mark.parametrize("first", [5, "has space", "Zx8" + "q7_" * 12 + "W", "unknown_name"])
    def test_that_is_wrong_hides_no_other_that_is(self, first: object) -> None:
        exposure = {"mode": "none", "tunnel": {"token": first}, "dynamic_dns": {"token": "other"}}
        found = [one.field for one in problems(data(exposure=exposure))]
        assert found == ["exposure.tunnel.token", "exposure.dynamic_dns.token"]

    @pytest.mark.parametrize("section", ["tunnel", "dynamic_dns"])
    def test_that_is_no_declared_secret_is_not_repeated(self, section: str) -> None:
        pasted = "Zx8" + "q7_" * 12 + "W"  # what a token of Cloudflare's API looks like
        problem = the_problem(data(exposure={section: {"token": pasted}}))
        assert problem.field == f"exposure.{section}.token"
        assert "declared in [[secrets]]" in problem.instead
        assert "replace the value if this file was shared" in problem.instead
        assert pasted not in str(problem)

    @pytest.mark.parametrize(
        ("section", "key"), [("tunnel", "token"), ("dynamic_dns", "token"), ("origin_pulls", "key")]
    )
    def test_of_cloudflares_in_place_of_its_name_is_told_once(self, section: str, key: str) -> None:
        for pasted in ("cfut_" + "abcd1234" * 5, "5" + "aBcD" * 9 + "9_x", "eyJhIjoi" + "a1" * 9):
            pulls = {"certificate": "pull.crt"} if section == "origin_pulls" else {}
            problem = the_problem(data(exposure={section: {key: pasted, **pulls}}))
            assert problem.field == f"exposure.{section}.{key}"
            assert "name of a secret that is declared in [[secrets]]" in problem.instead
            assert "replace" in problem.instead
            assert pasted not in str(problem)

    def test_of_a_tunnel_that_no_mode_asks_for_is_refused(self) -> None:
        tunnel = {"tunnel": TUNNEL["tunnel"]}
        problem = the_problem(data(exposure=tunnel))
        assert problem.field == "exposure.tunnel.token"
        assert problem.reason.startswith('has no meaning with exposure.mode = "ports"')
        assert 'exposure.mode = "tunnel"' in problem.instead
        for mode in ("ports", "none", "tunnel"):
            assert made(exposure={**tunnel, "mode": mode}).exposure.mode == mode

    def test_is_declared_or_one_that_is(self) -> None:
        def instead(name: str, **more: Any) -> str:
            return the_problem(data(exposure={"dynamic_dns": {"token": name}}, **more)).instead

        with_it = "[[secrets]] with that name, and where its value comes from"
        assert instead("dns_key") == f'{with_it}; or one of "tunnel_token"'
        assert instead("dns_key", secrets=[]) == with_it
        assert instead("tunel_token") == '"tunnel_token"'
        two = [{**TOKEN, "name": "zzz"}, {**TOKEN, "name": "aaa"}]
        assert instead("dns_key", secrets=two) == f'{with_it}; or one of "aaa", "zzz"'
        assert instead("cloudflare_dns_token_of_home_2026").startswith(with_it)
        long = {**TOKEN, "name": "0a1b2c3d" * 5}
        Settings(**data(secrets=[long], exposure={"dynamic_dns": {"token": long["name"]}}))

    def test_in_place_of_its_name_is_refused_and_not_shown(self) -> None:
        pasted = "eyJhIjoi" + "MDEyMzQ1Njc4OWFiY2RlZg" * 6
        found = problems(data(exposure={"mode": "tunnel", "tunnel": {"token": pasted}}))
        assert {one.field for one in found} == {"exposure.tunnel.token"}
        assert pasted[:20] not in "".join(map(str, found))

    def test_of_another_name_in_the_table_is_one_that_would_hold_it(self) -> None:
        problem = the_problem(data(exposure={**TUNNEL, "api_token": "x"}))
        assert "[[secrets]]" not in problem.field
        assert problem.reason == "looks like a secret, and secrets are never settings"


@pytest.mark.parametrize(("mode", "why"), [("tunnel", "already"), ("none", "nobody is to find it")])
def test_dynamic_dns_is_for_ports_alone(mode: str, why: str) -> None:
    dns = {"domains": ["home.example.org"], "token": "tunnel_token"}
    problem = the_problem(data(exposure={**TUNNEL, "mode": mode, "dynamic_dns": dns}))
    assert (problem.field, problem.value) == (
        "exposure.dynamic_dns.domains",
        '["home.example.org"]',
    )
    assert why in problem.reason


def test_a_key_of_origin_pulls_needs_its_certificate() -> None:
    problem = the_problem(data(exposure={"origin_pulls": {"key": "tunnel_token"}}))
    assert problem.field == "exposure.origin_pulls.certificate"


def test_the_stack_of_the_project_s_own_has_its_name_for_itself() -> None:
    problem = the_problem(data(stacks=[{"name": OWN_STACK, "files": ["x.yml"]}]))
    assert problem.field == f'stacks[0] "{OWN_STACK}".name'
    assert problem.value == f'"{OWN_STACK}"'
    others = [{"name": "web", "files": ["y.yml"]}, {"name": OWN_STACK, "files": ["x.yml"]}]
    assert the_problem(data(stacks=others)).field == f'stacks[1] "{OWN_STACK}".name'


@pytest.mark.parametrize("image", [CLOUDFLARED, CLOUDFLARE_DDNS])
def test_the_images_are_pinned_by_the_digest_of_an_index(image: str) -> None:
    name, _, digest = image.partition("@sha256:")
    assert len(digest) == 64
    assert ":latest" not in name
    assert made(exposure=TUNNEL).warnings == []


@pytest.mark.parametrize(
    "image", ["cloudflared", "registry.lab:5000/a/b:1.2", "ghcr.io/x/y@sha256:" + "0" * 64]
)
def test_an_image_of_one_s_own_is_accepted_and_told_if_it_has_no_digest(image: str) -> None:
    told = made(exposure={**TUNNEL, "tunnel": {"token": "tunnel_token", "image": image}}).warnings
    assert ["exposure.tunnel.image" in one for one in told] == [True] * ("@" not in image)
    dns = {"domains": ["a.example.org"], "token": "tunnel_token", "image": image}
    told = made(exposure={"dynamic_dns": dns}).warnings
    assert ["exposure.dynamic_dns.image" in one for one in told] == [True] * ("@" not in image)


@pytest.mark.parametrize("image", ["", "Cloud Flared", "a@sha256:12", "-x", "a:b:c"])
def test_what_is_no_image_is_refused(image: str) -> None:
    tunnel = {"token": "tunnel_token", "image": image}
    exposure = {"mode": "tunnel", "tunnel": tunnel}
    assert the_problem(data(exposure=exposure)).field == "exposure.tunnel.image"


@pytest.mark.parametrize(
    ("domain", "instead"),
    [
        ("https://home.example.org/x", '"home.example.org"'),
        ("home", 'a whole name, such as "home.example.org"'),
        ("a b.org", 'a whole name, such as "home.example.org"'),
        ("-a.org", 'a whole name, such as "home.example.org"'),
    ],
)
def test_what_is_no_name_in_the_dns_is_refused(domain: str, instead: str) -> None:
    dns = {"domains": [domain], "token": "tunnel_token"}
    assert the_problem(data(exposure={"dynamic_dns": dns})).instead == instead


def test_names_in_the_dns_are_lower_case_and_may_stand_for_many() -> None:
    dns = {"domains": ["*.Example.ORG"], "token": "tunnel_token"}
    assert made(exposure={"dynamic_dns": dns}).exposure.dynamic_dns.domains == ("*.example.org",)
    pulls = {"hosts": ["*.example.org"]}
    assert the_problem(data(exposure={"origin_pulls": pulls})).instead == '"www.example.org"'


def test_what_is_questionable_is_told() -> None:
    [open_doors] = made(exposure=TUNNEL, firewall={"enabled": False}).warnings
    assert "nothing of ours keeps published ports shut" in open_doors
    dns = {"domains": ["home.example.org"], "token": "tunnel_token"}
    [closed] = made(exposure={"dynamic_dns": dns}, firewall={"web": "closed"}).warnings
    assert "nobody who follows them is let in" in closed
    assert made(exposure={"dynamic_dns": dns}).warnings == []
    assert made(firewall={"enabled": False, "web": "closed"}).warnings == []
