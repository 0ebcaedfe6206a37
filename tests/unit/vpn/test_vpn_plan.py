"""Every way in which a host's VPN can differ from what is declared, in its own words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.vpn import wireguard
from pyinfra_swarm.vpn.plan import Apply, Install, MakeKey, Protect, Remove, plan, plan_removal
from pyinfra_swarm.vpn.state import Config, Key, Running, Tailscale, Vpns
from pyinfra_swarm.vpn.wireguard import wanted
from tests.builders import declared
from tests.unit.vpn.vpn_examples import (
    CONVERGED,
    LAPTOP,
    OWN,
    PHONE,
    SETTINGS,
    WANTED,
    config,
    key,
    running,
    settings,
)

NO_VPN = declared()
FRESH = replace(
    CONVERGED,
    tools=False,
    configs={},
    keys={},
    starts=(),
    running={},
    addresses={"eth0": ("192.168.1.11/24",)},
)


def the_one(seen: Vpns, kind: type[Finding] = Apply) -> str:
    """The only finding, as a person reads it."""
    found = plan(SETTINGS, "rk1", seen)
    assert len(found) == 1, "\n".join(each.sentence() for each in found)
    assert isinstance(found[0], kind)
    return found[0].sentence()


def restarts(seen: Vpns) -> bool:
    return any(isinstance(f, Apply) and f.restart for f in plan(SETTINGS, "rk1", seen))


def test_a_host_that_is_as_declared_is_left_alone() -> None:
    assert plan(SETTINGS, "rk1", CONVERGED) == []


def test_a_host_without_a_vpn_and_none_declared_is_left_alone() -> None:
    assert plan(NO_VPN, "rk1", FRESH) == []
    assert plan_removal(FRESH) == []


def test_a_fresh_host_gets_all_of_it() -> None:
    found = plan(SETTINGS, "rk1", FRESH)
    assert [type(one) for one in found] == [Install, MakeKey, Apply, Apply, Apply]
    assert "the host makes it, and it stays there" in found[1].sentence()
    assert restarts(FRESH)


class TestTheConfiguration:
    def test_it_has_all_but_the_private_key(self) -> None:
        assert WANTED is not None
        assert f"{WANTED.head}\n{WANTED.body}\n" == (
            "# Written by pyinfra-swarm from cluster.toml; changes here are overwritten.\n"
            "[Interface]\n"
            "Address = 10.202.0.1/24\n"
            "ListenPort = 51820\n"
            "\n"
            "# laptop\n"
            "[Peer]\n"
            f"PublicKey = {key(1)}\n"
            "AllowedIPs = 10.202.0.100/32\n"
            "\n"
            "# phone\n"
            "[Peer]\n"
            f"PublicKey = {key(2)}\n"
            "AllowedIPs = 10.202.0.101/32\n"
        )

    def test_its_sum_is_that_of_the_file_without_the_private_key(self) -> None:
        assert WANTED is not None
        text = f"{WANTED.head}\n{WANTED.body}\n"
        assert WANTED.sum == hashlib.sha256(text.encode()).hexdigest()

    def test_its_files_are_where_wg_quick_and_systemd_look(self) -> None:
        assert wireguard.config_path("wg0") == "/etc/wireguard/wg0.conf"
        assert wireguard.key_path("wg0") == "/etc/wireguard/wg0.key"
        assert wireguard.unit("wg0") == "wg-quick@wg0.service"
        wants = "/etc/systemd/system/multi-user.target.wants"
        assert wireguard.link("wg0") == f"{wants}/wg-quick@wg0.service"
        assert wireguard.PLACES == "/run/pyinfra-swarm-vpn-"

    @pytest.mark.parametrize("vpn", ["", "tailscale", "netbird"])
    def test_where_another_vpn_is_declared_there_is_none(self, vpn: str) -> None:
        assert wanted(declared(access={"vpn": vpn} if vpn else {}), "rk1") is None

    def test_the_order_in_which_peers_are_declared_makes_no_difference(self) -> None:
        assert wanted(settings(peers=[PHONE, LAPTOP]), "rk1") == WANTED

    def test_each_host_has_its_own_address(self) -> None:
        other = wanted(SETTINGS, "rk2")
        assert other is not None
        assert other.address == "10.202.0.2/24"

    def test_another_content_is_written_without_a_restart(self) -> None:
        seen = config(sum="0" * 64)
        assert the_one(seen) == "/etc/wireguard/wg0.conf: is not as declared"
        assert not restarts(seen)

    def test_one_that_others_may_read(self) -> None:
        said = the_one(config(access="644 root"))
        assert said == (
            "/etc/wireguard/wg0.conf: others may read the private key in it; consider a new one "
            "(docs/vpn.md) (644 root → 600 root)"
        )

    def test_one_with_another_private_key_takes_the_interface_down_for_a_moment(self) -> None:
        seen = config(own_key=False)
        assert the_one(seen).endswith("has not this host's own private key")
        assert restarts(seen)

    def test_one_that_is_gone(self) -> None:
        assert the_one(replace(CONVERGED, configs={})).startswith(
            "/etc/wireguard/wg0.conf: is missing"
        )
        assert restarts(replace(CONVERGED, configs={}))

    def test_one_of_somebody_elses_is_never_overwritten(self) -> None:
        seen = replace(CONVERGED, configs={}, foreign=("wg0",))
        said = the_one(seen, Refusal)
        assert "was not written by these deploys; it is left alone" in said
        assert (
            "Declare another name as access.wireguard.interface, or move the file and "
            "/etc/wireguard/wg0.key away (`sudo wg-quick down wg0` first) and run again: the host "
            "then makes a new key"
        ) in said
        assert "or move the file away" in the_one(replace(seen, keys={}), Refusal)

    def test_one_of_somebody_elses_with_another_name_is_their_own_affair(self) -> None:
        assert plan(SETTINGS, "rk1", replace(CONVERGED, foreign=("wg7",))) == []


class TestTheKey:
    def test_one_that_others_may_read(self) -> None:
        said = the_one(replace(CONVERGED, keys={"wg0": Key("640 root", OWN)}), Protect)
        assert "others may read this host's private key" in said

    def test_one_that_is_gone_is_taken_back_from_the_interface(self) -> None:
        seen = replace(CONVERGED, keys={})
        assert "the interface still has the key" in the_one(seen, MakeKey)

    def test_a_file_that_is_no_key(self) -> None:
        seen = replace(CONVERGED, keys={"wg0": Key("600 root", "")})
        assert "is no key" in the_one(seen, MakeKey)

    def test_a_file_that_is_no_key_may_be_somebody_elses_where_no_configuration_is_ours(
        self,
    ) -> None:
        """An encrypted key, or a link to a file system that is not mounted."""
        seen = replace(FRESH, tools=True, keys={"wg0": Key("600 root", "")})
        said = the_one(seen, Refusal)
        assert said == (
            "/etc/wireguard/wg0.key: is there already, but WireGuard reads no key from it (a link "
            "to something that is not mounted, or another kind of file); it is left alone. Mount "
            "what it links to, or move it away, and run again. Or declare another name as "
            "access.wireguard.interface"
        )

    def test_without_the_tools_nobody_knows_whether_it_is_one(self) -> None:
        seen = replace(CONVERGED, tools=False, keys={"wg0": Key("600 root", "")})
        assert [type(one) for one in plan(SETTINGS, "rk1", seen)] == [Install]

    def test_a_link_that_leads_nowhere_is_read_by_nobody(self) -> None:
        seen = replace(CONVERGED, tools=False, keys={"wg0": Key("", "")})
        assert [type(one) for one in plan(SETTINGS, "rk1", seen)] == [Install]

    def test_an_interface_that_runs_with_another(self) -> None:
        seen = running(public_key=key(9))
        assert the_one(seen).startswith("wg0 key: it runs with another key")
        assert restarts(seen)


class TestTheInterface:
    def test_down(self) -> None:
        seen = replace(CONVERGED, running={}, addresses={"eth0": ("192.168.1.11/24",)})
        assert the_one(seen) == "wg0: is not up (down → up)"
        assert restarts(seen)

    def test_another_address(self) -> None:
        addresses = {**CONVERGED.addresses, "wg0": ("10.202.0.9/24",)}
        seen = replace(CONVERGED, addresses=addresses)
        assert "(10.202.0.9/24 → 10.202.0.1/24)" in the_one(seen)
        assert restarts(seen)

    def test_another_port(self) -> None:
        seen = running(port=1234)
        assert the_one(seen) == "wg0 port: it listens elsewhere (1234 → 51820)"
        assert not restarts(seen)

    def test_not_started_at_boot(self) -> None:
        assert the_one(replace(CONVERGED, starts=())) == (
            "wg-quick@wg0.service: is not started at boot (disabled → enabled)"
        )


class TestPeers:
    def test_one_that_is_missing(self) -> None:
        said = the_one(running(peers={key(1): "10.202.0.100/32"}))
        assert said == "wg0 peers: phone is declared, and cannot come in yet"

    def test_one_that_is_not_declared(self) -> None:
        peers = {**CONVERGED.running["wg0"].peers, key(5): "10.202.0.200/32"}
        said = the_one(running(peers=peers))
        assert "one that is not declared may come in" in said
        assert f"({key(5)} as 10.202.0.200/32 → gone)" in said

    def test_one_that_comes_in_as_another(self) -> None:
        peers = {**CONVERGED.running["wg0"].peers, key(1): "0.0.0.0/0"}
        assert "laptop may come in as another (0.0.0.0/0 → 10.202.0.100/32)" in the_one(
            running(peers=peers)
        )

    def test_their_changes_do_not_take_the_interface_down(self) -> None:
        assert not restarts(running(peers={}))


class TestWhatIsRefused:
    def test_a_kernel_without_it(self) -> None:
        assert "this host's kernel does not have it" in the_one(
            replace(CONVERGED, kernel=False), Refusal
        )

    def test_not_one_that_has_the_program_instead(self) -> None:
        assert plan(SETTINGS, "rk1", replace(CONVERGED, kernel=False, userspace=True)) == []

    def test_an_interface_that_somebody_else_has_made(self) -> None:
        seen = replace(FRESH, addresses={**FRESH.addresses, "wg0": ("10.0.0.1/24",)})
        assert "somebody else's on this host (found 10.0.0.1/24)" in the_one(seen, Refusal)
        seen = replace(FRESH, running={"wg0": Running(key(9), 1)})
        assert "somebody else's" in the_one(seen, Refusal)

    def test_not_another_one_that_listens_elsewhere(self) -> None:
        more = {**CONVERGED.running, "wg9": Running(key(8), 51821)}
        assert plan(SETTINGS, "rk1", replace(CONVERGED, running=more)) == []

    def test_a_port_where_another_one_listens(self) -> None:
        more = {**CONVERGED.running, "wg9": Running(key(8), 51820)}
        assert "another WireGuard interface, wg9, listens there" in the_one(
            replace(CONVERGED, running=more), Refusal
        )


class TestWhatIsNotDeclaredAnyMore:
    def test_it_goes(self) -> None:
        [found] = plan(NO_VPN, "rk1", CONVERGED)
        assert isinstance(found, Remove)
        assert found.interface == "wg0"

    def test_not_under_the_feet_of_the_run_that_comes_through_it(self) -> None:
        [found] = plan(NO_VPN, "rk1", replace(CONVERGED, login_by="wg0"))
        assert isinstance(found, Refusal)
        assert "this run comes through it" in found.sentence()

    def test_one_of_two_goes(self) -> None:
        seen = replace(CONVERGED, configs={**CONVERGED.configs, "wg9": OTHER})
        [found] = plan(SETTINGS, "rk1", seen)
        assert found == Remove("wg9", "is not declared any more", expected="gone", interface="wg9")

    def test_another_interface_takes_its_place(self) -> None:
        found = plan(settings(interface="wg1"), "rk1", CONVERGED)
        assert [type(one) for one in found] == [Remove, MakeKey, Apply, Apply, Apply]

    def test_what_another_has_left_on_the_port_is_no_refusal_when_it_is_ours(self) -> None:
        found = plan(settings(interface="wg1"), "rk1", CONVERGED)
        assert not [one for one in found if isinstance(one, Refusal)]

    def test_a_reset_takes_all_of_ours_and_nobody_elses(self) -> None:
        seen = replace(CONVERGED, foreign=("wg7",), configs={**CONVERGED.configs, "wg3": OTHER})
        names = {one.interface for one in plan_removal(seen) if isinstance(one, Remove)}
        assert names == {"wg0", "wg3"}
        theirs = replace(seen, configs={**seen.configs, "wg7": OTHER})
        assert plan_removal(theirs) == plan_removal(seen)


GONE = Remove("wg0", "is not declared any more", expected="gone", interface="wg0")


class TestWhatIsLeftWithoutAConfiguration:
    """It was deleted by hand."""

    LEFT = replace(CONVERGED, configs={})

    def test_what_is_up_is_named_with_its_peers_and_nothing_of_it_is_touched(self) -> None:
        """Its owner may have moved the configuration away for a while."""
        [found] = plan_removal(self.LEFT)
        assert plan(NO_VPN, "rk1", self.LEFT) == [found]
        assert isinstance(found, Notice)
        assert found.sentence() == (
            "wg0: is up without /etc/wireguard/wg0.conf, and its peers can come in; it was left by "
            "these deploys, or is somebody else's "
            f"(found {key(1)} as 10.202.0.100/32, {key(2)} as 10.202.0.101/32). "
            "If nobody needs wg0: `sudo ip link delete dev wg0; sudo systemctl disable "
            "wg-quick@wg0.service` on the host. "
            "If nobody needs wg0's key: `sudo rm /etc/wireguard/wg0.key` on the host"
        )

    def test_what_only_starts_at_boot_is_named_once_and_its_key_in_it(self) -> None:
        """So is what a removal leaves that ends between the configuration and the key."""
        [found] = plan_removal(replace(self.LEFT, running={}))
        assert isinstance(found, Notice)
        assert found.sentence() == (
            "wg0: starts at boot without /etc/wireguard/wg0.conf; it was left by these deploys, or "
            "is somebody else's. If nobody needs wg0: `sudo systemctl disable "
            "wg-quick@wg0.service` on the host. If nobody needs wg0's key: `sudo rm "
            "/etc/wireguard/wg0.key` on the host"
        )

    def test_what_is_up_beside_its_key_and_does_not_start_is_named_too(self) -> None:
        [found] = plan_removal(replace(self.LEFT, starts=()))
        assert isinstance(found, Notice)
        assert "`sudo ip link delete dev wg0` on the host" in found.remedy

    @pytest.mark.parametrize(
        "others",
        [
            {"foreign": ("home",)},
            {"running": {**LEFT.running, "home": Running(key(3), 1)}},
            {"starts": ("wg0", "home")},
        ],
    )
    def test_its_key_is_not_to_be_deleted_where_somebody_else_may_need_it(
        self, others: dict[str, Any]
    ) -> None:
        found = plan_removal(replace(self.LEFT, **others))[0]
        assert found.remedy.endswith(
            "wg-quick@wg0.service` on the host. home on this host has no configuration of these "
            "deploys, and may use wg0's key, also as a preshared key. If it does not: `sudo rm "
            "/etc/wireguard/wg0.key` on the host"
        )

    def test_its_key_is_not_spoken_of_where_another_interface_has_it(self) -> None:
        more = {**self.LEFT.running, "home": Running(key(3), 1, {OWN: "10.0.0.1/32"})}
        [found] = plan_removal(replace(self.LEFT, running=more))
        assert found.remedy.endswith("sudo systemctl disable wg-quick@wg0.service` on the host")

    def test_a_declared_one_beside_it_has_its_own_configuration_and_key(self) -> None:
        seen = replace(
            CONVERGED,
            keys={**CONVERGED.keys, "wg9": Key("600 root", key(9))},
            starts=("wg0", "wg9"),
        )
        assert "If nobody needs wg9's key: `sudo rm /etc/wireguard/wg9.key`" in the_one(
            seen, Notice
        )

    def test_what_a_declared_one_runs_with_is_written_down_first_and_only_then(self) -> None:
        """Its addresses and peers are in the kernel alone."""
        assert [one.unwritten for one in plan(SETTINGS, "rk1", self.LEFT) if isinstance(one, Apply)]
        for seen in (FRESH, replace(self.LEFT, running={}), config(sum="0" * 64)):
            steps = [one for one in plan(SETTINGS, "rk1", seen) if isinstance(one, Apply)]
            assert steps
            assert not any(one.unwritten for one in steps)

    def test_a_key_that_is_there_is_said_to_become_the_declared_ones(self) -> None:
        becomes = (
            "/etc/wireguard/wg0.conf: is missing; /etc/wireguard/wg0.key becomes this host's key, "
            "and is deleted when the interface is removed (→ as declared). To keep that key as "
            "yours, {first} first: the host then makes its own"
        )
        down = plan(SETTINGS, "rk1", replace(self.LEFT, running={}))
        assert down[0].sentence() == becomes.format(first="move it away")
        # An interface that is up has its key written back.
        assert the_one(self.LEFT) == becomes.format(first="take wg0 down and move it away")
        assert "becomes this host's key" not in "".join(
            one.sentence() for one in plan(SETTINGS, "rk1", FRESH)
        )

    def test_what_this_run_comes_through_is_not_to_be_taken_down_first(self) -> None:
        [found] = plan_removal(replace(self.LEFT, login_by="wg0"))
        assert isinstance(found, Notice)
        assert found.remedy.startswith(
            "If nobody needs wg0: give the host another ssh_host, since this run comes through it; "
            "then `sudo ip link"
        )

    def test_one_that_has_the_port_of_the_declared_one_is_named_as_it_is_taken_down(self) -> None:
        [found] = plan(settings(interface="wg1"), "rk1", self.LEFT)
        assert isinstance(found, Refusal)
        assert found.remedy == (
            "Declare another port as access.wireguard.port. Or, if nobody needs wg0: `sudo ip link "
            "delete dev wg0; sudo systemctl disable wg-quick@wg0.service` on the host, then run "
            "again"
        )

    @pytest.mark.parametrize("public", [OWN, ""])
    def test_a_key_alone_is_named_and_nobodys_is_deleted(self, public: str) -> None:
        seen = replace(FRESH, keys={"wg0": Key("600 root", public)})
        [found] = plan_removal(seen)
        assert plan(NO_VPN, "rk1", seen) == [found]
        assert isinstance(found, Notice)
        assert found.sentence().startswith("/etc/wireguard/wg0.key: is a key without")
        assert (
            found.remedy == "If nobody needs this key: `sudo rm /etc/wireguard/wg0.key` on the host"
        )

    @pytest.mark.parametrize(
        "others",
        [
            {"foreign": ("home",)},
            {"running": {"home": Running(key(3), 1)}},
        ],
    )
    def test_a_key_that_somebody_elses_interface_may_need_is_not_to_be_deleted(
        self, others: dict[str, Any]
    ) -> None:
        """A preshared key has a public half as well: every 32 bytes have."""
        seen = replace(FRESH, keys={"wg0": Key("600 root", OWN)}, **others)
        [found] = plan_removal(seen)
        assert isinstance(found, Notice)
        assert found.remedy == (
            "home on this host has no configuration of these deploys, and may use this key, also "
            "as a preshared key. If it does not: `sudo rm /etc/wireguard/wg0.key` on the host"
        )

    def test_a_key_that_somebody_uses_is_their_own_affair(self) -> None:
        theirs = {"server": Key("600 root", OWN), "phone": Key("600 root", key(1))}
        seen = replace(CONVERGED, keys={**CONVERGED.keys, **theirs})
        assert plan(SETTINGS, "rk1", seen) == []
        with_theirs = replace(FRESH, foreign=("wg7",), keys={"wg7": Key("600 root", OWN)})
        assert plan_removal(with_theirs) == []
        assert plan_removal(replace(with_theirs, starts=("wg7",))) == []

    def test_one_that_is_up_without_a_key_either_is_named_with_its_peers(self) -> None:
        seen = replace(self.LEFT, keys={})
        [found] = plan_removal(seen)
        assert plan(NO_VPN, "rk1", seen) == [found]
        assert isinstance(found, Notice)
        assert found.sentence() == (
            "wg0: is up without /etc/wireguard/wg0.conf and without a key file, and its peers can "
            "come in; it was left by these deploys, or is somebody else's "
            f"(found {key(1)} as 10.202.0.100/32, {key(2)} as 10.202.0.101/32). "
            "If nobody needs wg0: `sudo ip link delete dev wg0; sudo systemctl disable "
            "wg-quick@wg0.service` on the host"
        )
        [found] = plan_removal(replace(seen, running={"wg0": Running(OWN, 1)}))
        assert "(found no peers)" in found.sentence()
        [found] = plan_removal(replace(seen, running={}))
        assert (
            found.remedy
            == "If nobody needs wg0: `sudo systemctl disable wg-quick@wg0.service` on the host"
        )
        for not_so in (replace(seen, starts=()), replace(seen, foreign=("wg0",))):
            assert plan_removal(not_so) == []
        [refusal] = plan(SETTINGS, "rk1", seen)
        assert isinstance(refusal, Refusal), "of the declared name"


OTHER = Config("0" * 64, "600 root", own_key=True)


@pytest.mark.parametrize("removal", [False, True])
def test_an_earlier_change_is_undone_first(removal: bool) -> None:
    """Also where nothing of ours is left: what is undone may bring it back."""
    seen = replace(FRESH if removal else CONVERGED, unconfirmed=True)
    found = plan_removal(seen) if removal else plan(SETTINGS, "rk1", seen)
    assert isinstance(found[0], Change)
    assert found[0].sentence().startswith("the host: an earlier change was never confirmed")


class TestNodeAddressesOnAVpn:
    SEEN = replace(FRESH, addresses={"tailscale0": ("192.168.1.11/32",)})

    def test_without_a_declared_mtu_it_is_refused(self) -> None:
        [found] = plan(NO_VPN, "rk1", self.SEEN)
        assert isinstance(found, Refusal)
        assert "networks.mtu" in found.sentence()

    def test_with_one_it_is_named(self) -> None:
        [found] = plan(declared(networks={"mtu": 1280}), "rk1", self.SEEN)
        assert isinstance(found, Notice)
        assert "encrypted twice" in found.sentence()

    def test_an_interface_of_wireguards_counts_whatever_it_is_called(self) -> None:
        seen = replace(
            FRESH,
            addresses={"home": ("192.168.1.11/24",)},
            running={"home": Running(key(3), 1)},
        )
        assert isinstance(plan(NO_VPN, "rk1", seen)[0], Refusal)

    def test_after_others_of_the_host(self) -> None:
        addresses = {"eth0": ("10.0.0.1/24",), "wt0": ("fe80::1/64", "192.168.1.11/16")}
        [found] = plan(NO_VPN, "rk1", replace(FRESH, addresses=addresses))
        assert isinstance(found, Refusal)

    def test_another_hosts_address_does_not(self) -> None:
        assert plan(NO_VPN, "rk2", self.SEEN) == []


class TestTailscale:
    def test_its_ssh_is_named(self) -> None:
        [found] = plan(NO_VPN, "rk1", replace(FRESH, tailscale=Tailscale("nodivert", True)))
        assert isinstance(found, Notice)
        assert "in place of sshd" in found.sentence()

    @pytest.mark.parametrize("mode", ["off", "nodivert", None])
    def test_a_mode_that_leaves_the_order_alone_is_quiet(self, mode: str | None) -> None:
        assert plan(NO_VPN, "rk1", replace(FRESH, tailscale=Tailscale(mode, False))) == []

    def test_its_own_rules_above_ours_are_named(self) -> None:
        [found] = plan(NO_VPN, "rk1", replace(FRESH, tailscale=Tailscale("on", False)))
        assert "--netfilter-mode=nodivert" in found.sentence()

    def test_unless_that_is_declared(self) -> None:
        settings = declared(access={"vpn": "tailscale", "vpn_reaches": "everything"})
        seen = replace(
            FRESH,
            addresses={**FRESH.addresses, "tailscale0": ("100.64.0.7/32",)},
            tailscale=Tailscale("on", False),
        )
        assert plan(settings, "rk1", seen) == []

    @pytest.mark.parametrize(
        ("vpn", "interface"), [("tailscale", "tailscale0"), ("netbird", "wt0")]
    )
    def test_a_declared_one_that_is_not_there(self, vpn: str, interface: str) -> None:
        [found] = plan(declared(access={"vpn": vpn}), "rk1", FRESH)
        assert isinstance(found, Notice)
        assert found.what == interface
