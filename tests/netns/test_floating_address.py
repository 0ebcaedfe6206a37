"""Real keepalived, told what we tell it: who holds the address when something goes wrong."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from pyinfra_swarm.floating_address import paths
from tests.netns.floating import (
    ADDRESS,
    ADDRESS6,
    Announcements,
    Lan,
    a_lan,
    gap,
    lost,
    signal_to,
    together,
    visitors,
)

pytestmark = pytest.mark.skipif(shutil.which("keepalived") is None, reason="no keepalived here")

QUICKLY = 3.0
"""Seconds within which another host has the address when its holder is gone."""


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    with a_lan(tmp_path_factory.mktemp("lan")) as made:
        yield made


def test_one_host_holds_it_and_says_since_when(lan: Lan) -> None:
    holder = lan.holder()
    time.sleep(1)  # keepalived tells it when it has announced the address
    role, since, taken = lan.hosts[holder].run(f"cat {paths.ROLE}").stdout.split()
    assert (role, int(taken) >= 1) == ("MASTER", True)
    assert abs(time.time() - int(since)) < 60
    assert lan.hosts[holder].run(f"ip -o address show to {ADDRESS6}/128").stdout
    for name in lan.hosts:
        if name != holder:
            assert lan.hosts[name].run(f"cat {paths.ROLE}").stdout.startswith("BACKUP ")


def test_it_is_handed_on_without_a_request_lost(lan: Lan) -> None:
    """Several times: the holder gives it up, another has it, the first may have it again."""
    moves = []
    heard = Announcements(lan)
    with visitors(lan) as visits:
        for _ in range(len(lan.hosts)):
            holder = lan.holder()
            heard.by()
            begun = time.time()
            lan.program(holder, "give-up")
            new = lan.holder(but=holder)
            moves.append(time.time() - begun)
            time.sleep(0.3)
            assert heard.by()[-1] == new
            assert not lan.holds(holder)
            lan.program(holder, "take-back")
            time.sleep(1)
            assert lan.holder() == new, "it comes back only when it has to"
    slowest = max(visit.ended - visit.begun for visit in visits)
    print(
        f"{len(visits)} requests, {len(lost(visits))} lost, the slowest took {slowest:.1f} s; "
        f"{len(moves)} moves, the slowest took {max(moves):.1f} s"
    )
    assert lost(visits) == []
    assert len({visit.by for visit in visits}) > 1
    assert {visit.url for visit in visits} == {f"http://{ADDRESS}/", f"http://[{ADDRESS6}]/"}
    assert together(lan.spans(time.time())) <= 1
    assert max(moves) < QUICKLY + 3


def test_a_host_that_has_given_it_up_takes_it_from_nobody(lan: Lan) -> None:
    holder = lan.holder()
    others = [name for name in lan.hosts if name != holder]
    for name in others:
        lan.program(name, "give-up")
    try:
        lan.kill_keepalived(holder)
        time.sleep(QUICKLY + 1)
        assert [name for name in others if lan.holds(name)] == []
    finally:
        for name in others:
            lan.program(name, "take-back")
        lan.hosts[holder].run(f"ip address del {ADDRESS}/32 dev eth0", check=False)
        lan.hosts[holder].run(f"ip address del {ADDRESS6}/128 dev eth0", check=False)
        lan.start_keepalived(holder)
    lan.holder()


@pytest.mark.lifecycle
def test_a_holder_without_power_is_followed_within_three_seconds(lan: Lan) -> None:
    holder = lan.holder()
    heard = Announcements(lan)
    begun = time.time()
    heard.by()
    lan.kill_keepalived(holder)
    lan.unplug(holder)
    lan.hosts[holder].run(f"ip address del {ADDRESS}/32 dev eth0", check=False)
    new = lan.holder(but=holder)
    assert time.time() - begun <= QUICKLY
    print(f"power cut: another holder after {time.time() - begun:.1f} s")
    time.sleep(0.3)
    assert heard.by()[-1] == new
    lan.hosts[holder].run(f"ip address del {ADDRESS6}/128 dev eth0", check=False)
    lan.plug_in(holder)
    lan.start_keepalived(holder)
    time.sleep(5)
    assert lan.holder() == new, "who comes back does not take it"


@pytest.mark.lifecycle
def test_a_holder_whose_interface_is_down_is_followed(lan: Lan) -> None:
    holder = lan.holder()
    begun = time.time()
    lan.hosts[holder].run("ip link set eth0 down")
    try:
        new = lan.holder(but=holder)
        assert time.time() - begun <= QUICKLY
    finally:
        lan.hosts[holder].run("ip link set eth0 up")
        lan.hosts[holder].run(f"ip -6 address add 2001:db8::1{holder[-1]}/64 dev eth0 nodad")
    time.sleep(5)
    assert lan.holder() == new
    assert together(lan.spans(time.time())) <= 1


@pytest.mark.lifecycle
def test_a_hung_engine_loses_it_and_may_hold_it_again(lan: Lan) -> None:
    holder = lan.holder()
    begun = time.time()
    signal_to(lan.engines[holder].pid, signal.SIGSTOP)
    try:
        lan.holder(but=holder)
        print(f"hung engine: another holder after {time.time() - begun:.1f} s")
        assert time.time() - begun <= 7
        assert lan.program(holder, "healthy", check=False) == "its engine does not answer\n"
    finally:
        signal_to(lan.engines[holder].pid, signal.SIGCONT)
    lan.program(holder, "take-back")


@pytest.mark.lifecycle
def test_a_node_that_is_drained_by_hand_hands_it_on_and_no_request_is_lost(lan: Lan) -> None:
    holder = lan.holder()
    with visitors(lan) as visits:
        begun = time.time()
        lan.available(holder, "drain")
        new = lan.holder(but=holder, within=25)
        print(f"drained: another holder after {time.time() - begun:.1f} s")
        assert lan.program(holder, "healthy", check=False) == "it is drained\n"
        time.sleep(1)
    assert lost(visits) == []
    # Who may hold it again need not be active for that: it waits until it is.
    lan.program(holder, "take-back")
    assert lan.program(holder, "healthy", check=False) == "it is drained\n"
    lan.available(holder, "active")
    lan.program(holder, "take-back")
    assert lan.program(holder, "healthy") == ""
    assert lan.holder() == new


def test_where_nobody_knows_of_a_node_it_is_not_drained(lan: Lan) -> None:
    """A worker, or a manager without a quorum."""
    name = next(name for name in lan.hosts if not lan.holds(name))
    try:
        for availability, said in (("drain", "it is drained\n"), ("", ""), ("pause", "")):
            lan.available(name, availability)
            lan.program(name, "look")
            assert lan.program(name, "healthy", check=False) == said
    finally:
        lan.available(name, "active")
        lan.program(name, "look")


@pytest.mark.lifecycle
def test_a_host_that_lost_its_end_of_the_mesh_loses_it(lan: Lan) -> None:
    holder = lan.holder()
    begun = time.time()
    lan.hosts[holder].run("rm /run/docker/netns/ingress_sbox")
    try:
        lan.holder(but=holder)
        assert time.time() - begun <= QUICKLY + 1
    finally:
        lan.hosts[holder].run("touch /run/docker/netns/ingress_sbox")


@pytest.mark.lifecycle
def test_two_halves_of_a_network_have_a_holder_each_until_they_are_one_again(lan: Lan) -> None:
    holder = lan.holder()
    heard = Announcements(lan)
    lan.outside.run(f"ip link set to-{holder} nomaster")  # its own end still has a link
    time.sleep(QUICKLY + 1)
    assert len(lan.holders()) == 2
    heard.by()
    lan.outside.run(f"ip link set to-{holder} master br0")
    healed = time.time()
    kept = lan.holder(within=3)
    time.sleep(2)
    said = heard.by()
    assert said[-1:] == [kept], ("the one that keeps it has the last word", said, lan.log(kept))
    spans = lan.spans(time.time())
    still = [min(end, time.time()) - healed for found in spans.values() for _, end in found]
    assert sorted(still)[-2] <= 1


@pytest.mark.lifecycle
def test_nothing_is_held_back_after_a_hand_over_that_was_killed(lan: Lan) -> None:
    holder = lan.holder()
    process = lan.hosts[holder].start("sh", paths.PROGRAM, "give-up")
    with visitors(lan) as visits:
        time.sleep(0.1)
        process.kill()
        process.wait()
        lan.program(holder, "take-back")
    assert "192.0.2.9" not in lan.hosts[holder].run("iptables -t mangle -S").stdout
    assert lost(visits) == []


def test_the_gap_of_a_hand_over_is_short(lan: Lan) -> None:
    holder = lan.holder()
    begun = time.time()
    lan.program(holder, "give-up")
    lan.holder(but=holder)
    assert gap(lan.spans(time.time()), begun) < 1
    lan.program(holder, "take-back")
