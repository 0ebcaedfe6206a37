"""Who comes through a VPN is told by its interface; SSH is closed to the rest only by way of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.firewall.mesh_vpns import mesh_vpn
from pyinfra_swarm.firewall.plan import plan
from pyinfra_swarm.firewall.policy import FAMILIES, Family, Opening, Vpn, policy
from pyinfra_swarm.firewall.rules import INPUT, PUBLISHED, chains
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.firewall.wanted import Wanted, declared
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from tests.builders import declared as settings
from tests.unit.firewall.test_firewall_plan import CONVERGED, POLICY, with_chains

WIREGUARD = Vpn("wireguard", "wg0", 51820)
TAILSCALE = Vpn("tailscale", "tailscale0", 41641)
SSH = "-p tcp -m tcp --dport 22 -j ACCEPT"


def rules(chain: str, family: Family = "ipv4", **differing: Any) -> tuple[str, ...]:
    return chains(replace(POLICY, **differing), family)[chain]


def wanted(vpn: Vpn | None = WIREGUARD, *sources: str) -> Wanted:
    return declared(replace(POLICY, vpn=vpn, ssh_sources=sources or ("vpn",)), "daily")


class TestRules:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_ssh_for_the_vpn_is_for_its_interface_in_both_families(self, family: Family) -> None:
        found = rules(INPUT, family, vpn=WIREGUARD, ssh_sources=("vpn",))
        assert f"-i wg0 {SSH}" in found
        assert "-p tcp -m tcp --dport 22 -j DROP" in found
        assert SSH not in found

    def test_beside_networks(self) -> None:
        found = rules(INPUT, vpn=WIREGUARD, ssh_sources=("vpn", "10.0.0.0/8"))
        assert f"-i wg0 {SSH}" in found
        assert f"-s 10.0.0.0/8 {SSH}" in found

    @pytest.mark.parametrize("family", FAMILIES)
    def test_its_own_port_is_open_to_everybody(self, family: Family) -> None:
        opened = "-p udp -m udp --dport 51820 -j ACCEPT"
        assert opened in rules(INPUT, family, vpn=WIREGUARD)
        assert opened not in rules(INPUT, family)

    def test_a_port_may_be_open_to_the_vpn_alone(self) -> None:
        opening = (Opening("8080", "tcp", ("vpn",)),)
        assert "-i wg0 -p tcp -m tcp --dport 8080 -j ACCEPT" in rules(
            INPUT, vpn=WIREGUARD, openings=opening
        )
        original = "-p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL"
        assert f"-i wg0 {original} -j RETURN" in rules(PUBLISHED, vpn=WIREGUARD, openings=opening)
        assert f"{original} -j RETURN" not in rules(PUBLISHED, vpn=WIREGUARD, openings=opening)

    def test_to_the_vpn_and_the_cluster(self) -> None:
        opening = (Opening("8080", "tcp", ("vpn", "cluster")),)
        found = [r for r in rules(INPUT, vpn=WIREGUARD, openings=opening) if "--dport 8080" in r]
        assert [rule.partition(" -p")[0] for rule in found] == [
            "-i wg0",
            "-s 192.168.1.11/32",
            "-s 192.168.1.12/32",
        ]

    def test_only_what_is_declared_is_reached_through_it(self) -> None:
        assert not [r for r in rules(INPUT, vpn=WIREGUARD) if "-i wg0" in r]
        assert not [r for r in rules(PUBLISHED, vpn=WIREGUARD) if "-i wg0" in r]

    def test_or_everything_but_the_swarms_own(self) -> None:
        found = rules(INPUT, vpn=replace(WIREGUARD, reaches_all=True))
        at = found.index("-i wg0 -j ACCEPT")
        assert at > max(i for i, rule in enumerate(found) if "SWARM-PEERS" in rule)
        assert rules(PUBLISHED, vpn=replace(WIREGUARD, reaches_all=True)).index(
            "-i wg0 -j RETURN"
        ) < rules(PUBLISHED, vpn=replace(WIREGUARD, reaches_all=True)).index("-j DROP")

    @pytest.mark.parametrize(
        ("access", "meant"),
        [
            ({}, None),
            ({"vpn": "tailscale"}, TAILSCALE),
            (
                {"vpn": "netbird", "vpn_reaches": "everything"},
                Vpn("netbird", "wt0", 51820, reaches_all=True),
            ),
        ],
    )
    def test_the_settings_say_which(self, access: dict[str, str], meant: Vpn | None) -> None:
        made = policy(settings(access=access), "rk1", ssh_ports=(22,), drop_cleartext_vxlan=True)
        assert made.vpn == meant


THROUGH = replace(
    CONVERGED,
    login_from="10.202.0.100",
    login_by="wg0",
    vpns_at_boot=("wg-quick@wg0.service",),
)
"""A host whose run comes through the VPN."""


def refusals(to: Wanted, host: Host) -> list[Finding]:
    return [one for one in plan(to, host) if isinstance(one, Refusal)]


class TestWhoWouldBeShutOut:
    def test_not_a_run_that_comes_through_the_vpn(self) -> None:
        assert refusals(wanted(), THROUGH) == []

    def test_a_run_that_does_not(self) -> None:
        [found] = refusals(wanted(), replace(THROUGH, login_from="192.168.1.50", login_by="eth0"))
        said = found.sentence()
        assert "this run does not come through the VPN, but from 192.168.1.50 by eth0" in said
        assert "(→ by wg0)" in said
        assert "give each host its address there as ssh_host" in said

    def test_an_address_of_the_vpn_that_comes_by_another_way(self) -> None:
        """Everybody can say that they are 10.202.0.100."""
        [found] = refusals(wanted(), replace(THROUGH, login_by="eth0"))
        assert "from 10.202.0.100 by eth0" in found.sentence()

    def test_a_run_of_which_the_way_is_unknown(self) -> None:
        [found] = refusals(wanted(), replace(THROUGH, login_by=""))
        assert "by an unknown interface" in found.sentence()

    def test_a_run_that_another_source_covers(self) -> None:
        host = replace(THROUGH, login_from="192.168.1.50", login_by="eth0")
        assert refusals(wanted(WIREGUARD, "vpn", "192.168.1.0/24"), host) == []

    def test_everybody_after_a_reboot_if_the_vpn_does_not_start(self) -> None:
        [found] = refusals(wanted(), replace(THROUGH, vpns_at_boot=()))
        assert "nobody would get in after a reboot" in found.sentence()
        assert "`sudo systemctl enable wg-quick@wg0.service`" in found.sentence()

    @pytest.mark.parametrize("unit", ["tailscaled.service", "wg-quick@wg0.service"])
    def test_each_vpn_has_its_own_unit(self, unit: str) -> None:
        host = replace(THROUGH, login_by="tailscale0", vpns_at_boot=(unit,))
        assert (refusals(wanted(TAILSCALE), host) == []) == (unit == "tailscaled.service")
        host = replace(THROUGH, login_by="wt0", vpns_at_boot=("netbird.service",))
        assert refusals(wanted(Vpn("netbird", "wt0", 51820)), host) == []

    def test_a_vpn_that_is_no_source_lets_nobody_in(self) -> None:
        [found] = refusals(
            wanted(WIREGUARD, "10.0.0.0/8"), replace(THROUGH, login_from="192.0.2.1")
        )
        assert "comes from 192.0.2.1, which is not among them" in found.sentence()


TS_INPUT = ("-i tailscale0 -j ACCEPT",)
MESHED: Host = with_chains(
    "ipv4",
    INPUT=("-j ts-input", "-j SWARM-INPUT"),
    FORWARD=("-j ts-forward", "-j DOCKER-USER", "-o docker0 -j ACCEPT"),
    ts_input=TS_INPUT,
    ts_forward=("-m mark --mark 0x40000/0xff0000 -j ACCEPT", "-o tailscale0 -j ACCEPT"),
)


def about_meshes(vpn: Vpn | None) -> dict[str, Finding]:
    to = declared(replace(POLICY, vpn=vpn), "daily")
    found = plan(to, MESHED)
    return {one.what: one for one in found if one.what in ("INPUT (IPv4)", "FORWARD (IPv4)")}


class TestMeshVpns:
    @pytest.mark.parametrize("vpn", [None, TAILSCALE, replace(WIREGUARD, reaches_all=True)])
    def test_what_they_let_through_above_ours_is_told(self, vpn: Vpn | None) -> None:
        found = about_meshes(vpn)
        assert isinstance(found["INPUT (IPv4)"], Change)
        assert "--netfilter-mode=nodivert" in found["INPUT (IPv4)"].sentence()
        assert isinstance(found["FORWARD (IPv4)"], Notice)
        said = found["FORWARD (IPv4)"].sentence()
        assert "the whole tailnet reaches every published port" in said
        assert 'access.vpn = "tailscale" and access.vpn_reaches = "everything"' in said

    def test_once_it_is_declared_it_is_quiet(self) -> None:
        assert about_meshes(replace(TAILSCALE, reaches_all=True)) == {}

    @pytest.mark.parametrize(
        ("rule", "meant"),
        [
            ("-j ts-input", "tailscale"),
            ("-i tailscale0 -j ACCEPT", "tailscale"),
            ("-i wt0 -j NETBIRD-ACL-INPUT", "netbird"),
            ("-j NETBIRD-RT-FWD-IN", "netbird"),
            ("-i wg0 -j ACCEPT", None),
            ("-j LIBVIRT_INP", None),
        ],
    )
    def test_whose_a_rule_is(self, rule: str, meant: str | None) -> None:
        assert mesh_vpn(rule) == meant
