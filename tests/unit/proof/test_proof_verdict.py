"""From counted packets to a verdict: every way to fail has its own sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.proof.crossings import Crossing, crossings
from pyinfra_swarm.proof.exchange import FRAMES, SMALL, Counters, Exchanged, Probe
from pyinfra_swarm.proof.verdict import Pair, Proof, _strange, judge, table
from pyinfra_swarm.run.findings import Notice
from tests.unit.proof.test_proof_plan import FOUR, NAMES, declared, end, everywhere, node, swarm

FULL = 1424 - 28
MARK = (
    '-A OUTPUT -p udp -m udp --dport 4789 -m bpf --bytecode "7,32 0 0 4294963252,7 0 0 0,'
    '64 0 0 4,116 0 0 8,21 1 0 4096,6 0 0 0,6 0 0 4294967295" -j MARK --set-xmark '
    "0xd0c4e3/0xffffffff"
)
"""As Docker 28.5.2 writes it."""

ADDRESS = {f"rk{number}": f"192.168.1.{10 + number}" for number in range(1, 5)}


class Told:
    """What four hosts have counted; all well until a test says otherwise."""

    def __init__(self, **focus: Any) -> None:
        self.crossings = crossings(declared(), FOUR, everywhere(), **focus)
        self.esp = {(a, b): 2 for a in NAMES for b in NAMES if a != b}
        self.back: dict[tuple[str, str], int] = {}
        self.lost: set[tuple[str, str]] = set()
        self.probes = {
            (c.sender, c.receiver, size): Probe(1, True)
            for c in self.crossings
            for size in (SMALL, FULL)
        }
        self.begin: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
        self.after: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
        self.end: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
        self.clear: dict[str, dict[tuple[str, int], int]] = {}
        self.seen: dict[str, dict[str, int]] = {}
        self.marks: dict[str, tuple[str, ...]] = dict.fromkeys(NAMES, (MARK,))
        self.without_state: set[tuple[str, str]] = set()
        self.one_way: set[tuple[str, str]] = set()
        self.silent: dict[str, str] = {}
        self.gone: set[str] = set()
        self.forged = {
            name: {c.receiver: FRAMES for c in self.crossings if c.sender == name} for name in NAMES
        }

    def states(self, name: str, *, later: bool) -> dict[tuple[str, str], int]:
        """This host's states: what it sent, and what came back (as much as it sent)."""
        found = {}
        for peer in NAMES:
            if peer == name or (name, peer) in self.without_state:
                continue
            out = self.esp[name, peer]
            back = self.back.get((name, peer), out)
            found[ADDRESS[name], ADDRESS[peer]] = 700 + out * later
            found[ADDRESS[peer], ADDRESS[name]] = 300 + back * later
        lacking = self.one_way if name == "rk1" else set()
        return {pair: count for pair, count in found.items() if pair not in lacking}

    def got(self, name: str) -> dict[tuple[str, str], int]:
        """This host's states at the end: packets of others that were lost are not in them."""
        lost = {(ADDRESS[a], ADDRESS[b]) for a, b in self.lost}
        begun = self.states(name, later=False)
        return {pair: count + 30 * (pair not in lost) for pair, count in begun.items()}

    def proof(self) -> Proof:
        exchanged = {}
        for name in NAMES:
            if name in self.silent:
                continue
            states = self.states(name, later=False)
            begin = Counters(states, dropped=9, strange=0, echoes={"ingress_sbox": 4})
            begin = replace(begin, **self.begin[name])
            after = replace(begin, esp=self.states(name, later=True), **self.after[name])
            probes = {
                ("ingress_sbox", receiver, size): probe
                for (sender, receiver, size), probe in self.probes.items()
                if sender == name
            }
            exchanged[name] = Exchanged(
                begin,
                {"ingress_sbox": begin},
                {"ingress_sbox": after},
                probes,
                self.marks[name],
                name in self.clear,
                self.clear.get(name, {}),
                self.seen.get(name, {}),
            )
        arrived = {name: sum(sent.get(name, 0) for sent in self.forged.values()) for name in NAMES}
        last = {
            name: replace(
                Counters(self.got(name), dropped=9 + arrived[name], echoes={"ingress_sbox": 4}),
                **self.end[name],
            )
            for name in NAMES
            if name not in (*self.silent, *self.gone)
        }
        return judge(self.crossings, exchanged, self.forged, last, unproven={}, silent=self.silent)


def row(proof: Proof, sender: str, receiver: str) -> Pair:
    [found] = [p for p in proof.pairs if (p.sender, p.receiver) == (sender, receiver)]
    return found


def only(proof: Proof, *expected: tuple[str, str]) -> str:
    """The reason of the pairs that failed, which are these and no others; the first one's."""
    failed = [pair for pair in proof.pairs if pair.problem]
    assert {(pair.sender, pair.receiver) for pair in failed} == set(expected)
    assert not proof.proven
    assert failed[0].problem is not None
    return failed[0].problem.sentence()


def test_encrypted_pairs_are_proven_with_what_was_counted() -> None:
    proof = Told().proof()
    assert proof.proven
    assert row(proof, "rk1", "rk4") == Pair(
        "ingress", "rk1", "rk4", "yes", "1424", "ESP 2 out, 2 in", "dropped"
    )
    assert table(proof)[:2] == [
        "  network  from  to   small  full size  encrypted        clear frame",
        "  ingress  rk1   rk2  yes    1424       ESP 2 out, 2 in  dropped",
    ]
    assert table(proof)[-1] == "12 of 12 pairs proven: encrypted, in both sizes."


def test_a_network_that_has_to_come_up_first_is_proven_at_a_later_try() -> None:
    told = Told()
    told.probes["rk1", "rk2", SMALL] = Probe(4, True)
    told.esp["rk1", "rk2"] = 5
    assert row(told.proof(), "rk1", "rk2").small == "yes, try 4"
    assert told.proof().proven


def unanswered(told: Told, sender: str, receiver: str, *, esp: int) -> None:
    told.probes[sender, receiver, SMALL] = Probe(30, False)
    del told.probes[sender, receiver, FULL]
    told.esp[sender, receiver] = esp
    told.back[sender, receiver] = 0


def test_esp_that_leaves_and_never_comes_back_is_blocked() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    sentence = only(told.proof(), ("rk1", "rk2"))
    assert sentence.startswith(
        "ingress from rk1 to rk2: 30 encrypted packets left, none came back. "
        "Let ESP (IP protocol 50) pass between 192.168.1.11 and 192.168.1.12, both ways"
    )
    assert row(told.proof(), "rk1", "rk2").small == "none of 30"
    assert row(told.proof(), "rk1", "rk2").full == "not sent"


def test_esp_that_never_arrives_is_told_from_answers_that_do_not() -> None:
    """What the other sends of its own accord comes in meanwhile, and is no answer."""
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.back["rk1", "rk2"] = 30
    told.lost = {("rk1", "rk2")}
    sentence = only(told.proof(), ("rk1", "rk2"))
    assert "30 encrypted packets left, rk2 got none of them. Let ESP" in sentence
    told.lost = set()
    assert "encrypted packets go there and back" in only(told.proof(), ("rk1", "rk2"))


def test_esp_that_no_key_fits_points_at_the_engines() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.after["rk2"] = {"strange": 30}
    assert "rk2 gets encrypted packets that it has no key for" in only(told.proof(), ("rk1", "rk2"))


def test_a_kernel_that_does_not_count_packets_without_a_key_is_said_to_count_none() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.begin["rk2"] = told.after["rk2"] = {"strange": None}
    sentence = only(told.proof(), ("rk1", "rk2"))
    assert "30 encrypted packets left, none came back; whether rk2 got some that it has" in sentence
    assert "cannot be counted here: its kernel has no XFRM_STATISTICS" in sentence
    assert "restart docker" in sentence


@pytest.mark.parametrize("strange", [None, 0])
def test_packets_that_the_receivers_states_refuse_are_told_by_any_kernel(
    strange: int | None,
) -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    pair = ADDRESS["rk1"], ADDRESS["rk2"]
    told.begin["rk2"] = {"strange": strange, "broken": {pair: 7}}
    told.after["rk2"] = {"broken": {pair: 7}}
    assert "refuses" not in only(told.proof(), ("rk1", "rk2"))
    told.after["rk2"] = {"broken": {pair: 37}}
    sentence = only(told.proof(), ("rk1", "rk2"))
    assert "rk2 gets encrypted packets that it refuses" in sentence


def test_a_missing_state_is_named_with_both_addresses() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=0)
    told.without_state.add(("rk1", "rk2"))
    assert (
        "rk1 has no encryption state for rk2 (192.168.1.11, 192.168.1.12). "
        "`sudo journalctl -u docker | grep -i xfrm` there says why"
    ) in only(told.proof(), ("rk1", "rk2"))


def test_clear_text_that_the_firewall_stops_is_told_with_its_cause() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=0)
    told.after["rk1"] = {"stopped": 30}
    told.marks["rk1"] = ()
    assert (
        "nothing arrives: rk1 would send in clear text, and its firewall stops it; Docker's rule "
        "that has this network encrypted is missing (iptables, table mangle, chain OUTPUT)"
    ) in only(told.proof(), ("rk1", "rk2"))


def test_the_rule_of_another_network_does_not_count_as_this_ones() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=0)
    told.marks["rk1"] = (MARK.replace("1 0 4096", "1 0 4097"),)
    assert "is missing" in only(told.proof(), ("rk1", "rk2"))
    told.marks["rk1"] = (MARK,)
    assert "is missing" not in only(told.proof(), ("rk1", "rk2"))


def test_packets_that_pass_without_being_encrypted_are_the_worst_and_said_so() -> None:
    told = Told()
    told.esp["rk1", "rk2"] = 0
    told.back["rk1", "rk2"] = 2
    assert (
        "packets travel in clear text: 2 were sent and 2 answered, and only 0 were encrypted and "
        "2 decrypted"
    ) in only(told.proof(), ("rk1", "rk2"))


@pytest.mark.parametrize(
    "seen", ["by tcpdump", "by the firewall", "by nobody", "of nothing", "of another"]
)
def test_tries_before_there_were_keys_are_no_clear_text_if_none_could_leave(seen: str) -> None:
    """Right after an engine's start: seen in an upgrade, whose next nodes were held up by it."""
    told = Told()
    told.probes["rk1", "rk2", SMALL] = Probe(14, True)
    if seen in ("by tcpdump", "of nothing", "of another"):
        told.clear = {"rk1": {}}
        peer = {"by tcpdump": "rk2", "of another": "rk3"}.get(seen)
        told.seen = {"rk1": {ADDRESS[peer]: 2} if peer else {}}
    elif seen == "by the firewall":
        told.after["rk1"] = {"stopped": 13}
    assert told.proof().proven == (seen in ("by tcpdump", "by the firewall"))
    told.esp["rk1", "rk2"] = 1
    told.back["rk1", "rk2"] = 2
    assert "only 1 were encrypted" in only(told.proof(), ("rk1", "rk2"))


def test_answers_in_clear_text_are_found_on_the_asking_side() -> None:
    told = Told()
    told.back["rk1", "rk2"] = 0
    assert "only 2 were encrypted and 0 decrypted" in only(told.proof(), ("rk1", "rk2"))


def test_what_tcpdump_saw_leave_in_clear_text_is_believed_before_any_counter() -> None:
    told = Told()
    told.clear = {"rk1": {(ADDRESS["rk2"], 4096): 3}, "rk3": {}}
    assert "3 packets left rk1 in clear text, as tcpdump saw" in only(told.proof(), ("rk1", "rk2"))
    assert "tcpdump watched what left rk1, rk3." in table(told.proof())


def test_another_networks_clear_text_is_not_this_ones() -> None:
    told = Told()
    told.clear = {"rk1": {(ADDRESS["rk2"], 4100): 3}}
    assert told.proof().proven


@pytest.mark.parametrize(
    ("full", "esp", "cell", "found"),
    [
        (Probe(5, False), 6, "none of 5", "none of 5 arrived"),
        (Probe(2, True, path=1390), 3, "only 1390", "the way carries 1390 bytes"),
    ],
)
def test_a_network_too_large_for_the_way_fails_in_full_size_only(
    full: Probe, esp: int, cell: str, found: str
) -> None:
    told = Told()
    told.probes["rk1", "rk2", FULL] = full
    told.esp["rk1", "rk2"] = esp
    sentence = only(told.proof(), ("rk1", "rk2"))
    assert "small packets pass, but not those of the network's full size (1424 bytes)" in sentence
    assert found in sentence
    assert "networks.mtu" in sentence
    assert row(told.proof(), "rk1", "rk2").full == cell


def test_a_receiver_that_lets_a_clear_frame_in_fails_every_pair_towards_it() -> None:
    told = Told()
    told.end["rk2"] = {"echoes": {"ingress_sbox": 5}}
    sentence = only(told.proof(), ("rk1", "rk2"), ("rk3", "rk2"), ("rk4", "rk2"))
    assert "rk2 lets in frames in clear text that anybody on the way can make" in sentence
    assert row(told.proof(), "rk1", "rk2").clear_frame == "LET IN"


def test_frames_that_never_arrived_show_nothing_and_the_summary_says_so() -> None:
    told = Told()
    told.end["rk2"] = {"dropped": 9}
    proof = told.proof()
    assert proof.proven
    assert row(proof, "rk1", "rk2").clear_frame == "did not arrive"
    assert any("Clear frames to rk2 were lost on the way" in line for line in table(proof))


def test_a_host_that_falls_silent_proves_nothing() -> None:
    told = Told()
    told.silent = {"rk3": "the connection was lost"}
    proof = told.proof()
    assert not proof.proven
    assert {pair.sender for pair in proof.pairs if pair.problem} == {"rk3"}
    assert "could not be tried: the connection was lost" in proof.problems("rk3")[0].sentence()


def test_full_size_packets_that_leave_in_pieces_are_remarked_and_no_failure() -> None:
    told = Told()
    told.after["rk1"] = {"pieces": 6}
    proof = told.proof()
    assert proof.proven
    [remark] = proof.remarks["rk1"]
    assert "its full-size packets leave rk1 in pieces" in remark.sentence()
    told.after["rk1"] = {"pieces": 3}
    assert not told.proof().remarks


def test_a_problem_is_the_senders_to_tell_or_the_receivers_where_only_it_is_asked_about() -> None:
    told = Told(focus=["rk2"])
    for pair in (("rk1", "rk2"), ("rk2", "rk1")):
        unanswered(told, *pair, esp=30)
    proof = told.proof()
    whole = [problem.what for problem in proof.problems()]
    assert whole == ["ingress from rk1 to rk2", "ingress from rk2 to rk1"]
    assert [p.what for p in proof.problems("rk1")] == ["ingress from rk1 to rk2"]
    assert [p.what for p in proof.problems("rk2", ["rk2"])] == whole
    assert proof.problems("rk1", ["rk2"]) == []


def test_a_long_table_shows_what_failed_and_counts_the_rest() -> None:
    good = [Pair("ingress", f"a{n}", "b", "yes", "1424", "ESP", "dropped") for n in range(200)]
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    bad = row(told.proof(), "rk1", "rk2")
    lines = table(Proof((*good, bad)))
    assert len(lines) == 3
    assert lines[1].startswith("✗ ingress  rk1   rk2  none of 30")
    assert lines[2] == "200 of 201 pairs proven: encrypted, in both sizes."
    assert len(table(Proof(tuple(good)))) == 1


def test_without_pairs_the_table_says_that_there_are_none() -> None:
    assert table(Proof()) == ["There are no pairs of nodes to prove anything about."]


def test_a_row_is_plain_data_for_programs() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    assert row(told.proof(), "rk1", "rk2").record() == {
        "network": "ingress",
        "sender": "rk1",
        "receiver": "rk2",
        "small": "none of 30",
        "full": "not sent",
        "encrypted": "ESP 30 out, 0 in",
        "clear_frame": "dropped",
        "problem": "30 encrypted packets left, none came back",
    }


def test_each_networks_counters_are_its_own() -> None:
    """A second network whose packets go in clear text does not hide behind the first."""
    ends = {name: (end(n), end(n, "app")) for n, name in enumerate(NAMES[:2], 1)}
    both = crossings(declared(2), swarm(node(1), node(2)), ends)
    mine: list[Crossing] = [crossing for crossing in both if crossing.sender == "rk1"]
    here, there = mine[0].underlay
    flat = Counters({(here, there): 10, (there, here): 10})
    grown = Counters({(here, there): 12, (there, here): 12})
    probes = {
        (c.source.sandbox, "rk2", size): Probe(1, True) for c in mine for size in (SMALL, FULL)
    }
    told = Exchanged(
        flat,
        {"ingress_sbox": flat, "lb_app": grown},
        {"ingress_sbox": grown, "lb_app": grown},
        probes,
    )
    proof = judge(mine, {"rk1": told}, {}, {}, unproven={}, silent={})
    assert [bool(pair.problem) for pair in proof.pairs] == [False, True]
    assert [pair.network for pair in proof.pairs] == ["ingress", "app"]


# What was not counted shows nothing
# ----------------------------------


def test_somebody_who_did_not_carry_out_a_share_keeps_a_proof_from_being_one() -> None:
    pair = row(Told().proof(), "rk1", "rk2")
    assert Proof((pair,)).proven
    assert not Proof((pair,), silent={"rk3": "it did not answer"}).proven
    assert pair.record()["problem"] == ""


def test_what_could_not_be_tried_is_left_open_in_the_table() -> None:
    told = Told()
    told.silent = {"rk3": "the connection was lost"}
    pair = row(told.proof(), "rk3", "rk2")
    assert (pair.small, pair.full, pair.encrypted, pair.clear_frame) == ("?",) * 4
    assert row(told.proof(), "rk1", "rk3").clear_frame == "?"
    told = Told()
    told.gone = {"rk3"}
    told.end["rk3"] = {"echoes": {"ingress_sbox": 5}}
    assert row(told.proof(), "rk1", "rk3").clear_frame == "?"
    assert told.proof().proven


def test_datagrams_that_were_never_sent_prove_nothing() -> None:
    told = Told()
    del told.probes["rk1", "rk2", FULL]
    assert "none of 0 arrived" in only(told.proof(), ("rk1", "rk2"))
    del told.probes["rk1", "rk2", SMALL]
    only(told.proof(), ("rk1", "rk2"))
    pair = row(told.proof(), "rk1", "rk2")
    assert (pair.small, pair.full) == ("not sent", "not sent")


def test_a_path_that_was_found_for_a_small_datagram_is_no_matter() -> None:
    told = Told()
    told.probes["rk1", "rk2", SMALL] = Probe(1, True, path=1390)
    assert row(told.proof(), "rk1", "rk2").small == "yes"


@pytest.mark.parametrize(
    ("out", "back", "cell"),
    [(0, 0, "no"), (0, 2, "ESP 0 out, 2 in"), (2, 0, "ESP 2 out, 0 in")],
)
def test_the_table_tells_what_was_encrypted(out: int, back: int, cell: str) -> None:
    told = Told()
    told.esp["rk1", "rk2"], told.back["rk1", "rk2"] = out, back
    only(told.proof(), ("rk1", "rk2"))
    assert row(told.proof(), "rk1", "rk2").encrypted == cell


def test_a_problem_of_its_own_is_told_before_the_receivers() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.end["rk2"] = {"echoes": {"ingress_sbox": 5}}
    proof = told.proof()
    reasons = {pair.sender: pair.problem.reason for pair in proof.pairs if pair.problem}
    assert "none came back" in reasons["rk1"]
    assert "lets in frames in clear text" in reasons["rk3"]


def test_states_that_were_made_while_it_was_tried_count_from_nothing() -> None:
    """An engine makes them with the first packets of a new network."""
    told = Told()
    told.begin["rk1"] = {"esp": {}}
    told.after["rk1"] = {}
    assert row(told.proof(), "rk1", "rk2").encrypted == "ESP 702 out, 302 in"
    told = Told()
    told.without_state.add(("rk1", "rk2"))
    assert row(told.proof(), "rk1", "rk2").encrypted == "no"


# Why nothing arrives
# -------------------


def test_what_the_firewall_had_stopped_before_is_not_this_networks() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=0)
    told.begin["rk1"] = {"stopped": 30}
    assert "nothing was encrypted on rk1" in only(told.proof(), ("rk1", "rk2"))
    told.after["rk1"] = {"stopped": 31}
    assert "its firewall stops it" in only(told.proof(), ("rk1", "rk2"))


def test_the_firewall_is_not_blamed_where_encrypted_packets_left() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=1)
    told.after["rk1"] = {"stopped": 30}
    assert "1 encrypted packets left, none came back" in only(told.proof(), ("rk1", "rk2"))


@pytest.mark.parametrize("lacking", [("rk1", "rk2"), ("rk2", "rk1")])
def test_a_state_that_lacks_in_either_direction_is_missing(lacking: tuple[str, str]) -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=3)
    told.one_way = {(ADDRESS[lacking[0]], ADDRESS[lacking[1]])}
    assert "has no encryption state for rk2" in only(told.proof(), ("rk1", "rk2"))


def test_packets_without_a_key_are_counted_from_the_beginning() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.begin["rk2"] = {"strange": 7}
    assert "none came back" in only(told.proof(), ("rk1", "rk2"))
    told.after["rk2"] = {"strange": 8}
    assert "it has no key for" in only(told.proof(), ("rk1", "rk2"))


def test_packets_without_a_key_are_those_of_all_networks_together() -> None:
    begun = Counters({}, strange=7)
    after = {"a": Counters({}, strange=7), "b": Counters({}, strange=9), "c": begun}
    assert _strange(Exchanged(begun, {}, after, {})) == 2
    assert _strange(Exchanged(begun, {}, {}, {})) == 0, "nothing was tried"
    assert _strange(Exchanged(Counters({}), {}, after, {})) is None, "nothing is counted"


def test_a_receiver_that_tells_nothing_is_not_said_to_have_got_nothing() -> None:
    for silent in ({"rk2": "the connection was lost"}, {}):
        told = Told()
        unanswered(told, "rk1", "rk2", esp=30)
        told.silent = silent
        told.gone = {"rk2"}
        reason = row(told.proof(), "rk1", "rk2").problem
        assert reason is not None
        assert reason.reason == "30 encrypted packets left, none came back"


def test_one_packet_back_is_told_from_none() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.back["rk1", "rk2"] = 1
    assert "encrypted packets go there and back" in only(told.proof(), ("rk1", "rk2"))


def test_a_receiver_with_no_state_has_got_nothing() -> None:
    told = Told()
    unanswered(told, "rk1", "rk2", esp=30)
    told.without_state.add(("rk2", "rk1"))
    sentence = "\n".join(p.problem.reason for p in told.proof().pairs if p.problem)
    assert "30 encrypted packets left, rk2 got none of them" in sentence


# Clear frames, and pieces
# ------------------------


def test_an_echo_of_a_network_that_had_none_is_a_frame_that_was_let_in() -> None:
    told = Told()
    told.begin["rk2"] = {"echoes": {}}
    told.end["rk2"] = {"echoes": {"ingress_sbox": 1}}
    assert row(told.proof(), "rk1", "rk2").clear_frame == "LET IN"
    told.end["rk2"] = {"echoes": {}}
    assert row(told.proof(), "rk1", "rk2").clear_frame == "dropped"


def test_frames_that_did_not_leave_show_nothing() -> None:
    told = Told()
    told.forged["rk1"]["rk2"] = FRAMES - 1
    assert row(told.proof(), "rk1", "rk2").clear_frame == "not sent"
    assert row(told.proof(), "rk3", "rk2").clear_frame == "dropped"
    assert told.proof().proven
    del told.forged["rk1"]
    assert row(told.proof(), "rk1", "rk2").clear_frame == "not sent"


def test_one_frame_that_is_missing_was_not_seen_to_be_dropped() -> None:
    told = Told()
    told.end["rk2"] = {"dropped": 9 + 3 * FRAMES - 1}
    assert row(told.proof(), "rk1", "rk2").clear_frame == "did not arrive"
    told.end["rk2"] = {"dropped": 9 + 3 * FRAMES}
    assert row(told.proof(), "rk1", "rk2").clear_frame == "dropped"


def test_pieces_are_those_of_this_networks_full_size_packets() -> None:
    told = Told()
    told.begin["rk1"] = {"pieces": 6}
    assert not told.proof().remarks
    told.after["rk1"] = {"pieces": 12}
    assert set(told.proof().remarks) == {"rk1"}
    for receiver in ("rk2", "rk3", "rk4"):
        del told.probes["rk1", receiver, FULL]
    assert not told.proof().remarks


def test_a_table_of_sixty_rows_is_shown_whole() -> None:
    good = [Pair("ingress", f"a{n}", "b", "yes", "1424", "ESP", "dropped") for n in range(61)]
    assert len(table(Proof(tuple(good[:60])))) == 62
    assert len(table(Proof(tuple(good)))) == 1


def test_who_took_no_part_is_told_with_the_reason() -> None:
    pair = row(Told().proof(), "rk1", "rk2")
    assert table(Proof((pair,), unproven={"rk9": "it is down"}))[-1] == (
        "rk9 took no part: it is down."
    )


def test_names_that_were_not_found_are_summed_up_and_disprove_no_pair() -> None:
    pair = row(Told().proof(), "rk1", "rk2")
    lost = Notice("service web", "its name is not found on this node")
    proof = Proof((pair,), names=7, unresolved={"rk1": (lost, lost), "rk2": (lost,)})
    assert proof.proven
    assert table(proof)[-1] == (
        "4 of 7 names of services were found, asked on each node for the networks that it is in."
    )
    assert proof.problems("rk1") == []
