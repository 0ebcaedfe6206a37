"""Of which manager a backup is made, what is in it, and what is refused, in which words."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from typing import Any

import pytest

from cluster.backup import (
    NEEDED,
    Archive,
    Backup,
    Choice,
    Manager,
    Unusable,
    choose,
    examine,
    file_name,
    pack,
    plan_backup,
    plan_unlock_key,
    superseded,
    unpack,
)
from cluster.findings import Notice, Refusal, changes
from cluster.membership import Membership, Node, Terms
from cluster.settings import Settings
from cluster.unlock_key import KeyFile

KEY = "age17rewv7umw8slk4g7mq9x3zvx3e4hwxnfhzxcnpxqxez0uv6df3usr47zp8"


def settings(managers: int = 3, workers: int = 1, **backup: Any) -> Settings:
    declared: dict[str, Any] = {
        "hosts": [
            {
                "name": f"rk{number}",
                "address": f"192.168.1.{10 + number}",
                "role": "manager" if number <= managers else "worker",
            }
            for number in range(1, managers + workers + 1)
        ],
        "backup": {"recipients": [KEY], **backup},
    }
    return Settings(**declared)


def swarm(
    declared: Settings,
    *,
    leader: str = "rk1",
    silent: tuple[str, ...] = (),
    availability: dict[str, str] | None = None,
) -> dict[str, Membership | None]:
    """Every host in one swarm; the silent ones are without power."""
    nodes = tuple(
        Node(
            id=f"node-{host.name}",
            hostname=host.name,
            address=host.address,
            role=host.role,
            availability=(availability or {}).get(host.name, "active"),
            state="down" if host.name in silent else "ready",
            leader=host.name == leader,
            reachability=""
            if not host.is_manager
            else "unreachable"
            if host.name in silent
            else "reachable",
            labels={},
            engine_version="28.5.2",
        )
        for host in declared.hosts
    )
    return {
        host.name: None
        if host.name in silent
        else Membership(
            "running",
            hostname=host.name,
            state="active",
            node=f"node-{host.name}",
            address=host.address,
            manager=host.is_manager,
            cluster="swarm-1" if host.is_manager else "",
            nodes=nodes if host.is_manager else None,
        )
        for host in declared.hosts
    }


def unreachable(declared: Settings) -> dict[str, Membership | None]:
    """Managers that answer, and whom the leader does not reach."""
    found: dict[str, Membership | None] = {}
    for name, said in swarm(declared).items():
        assert said is not None
        nodes = said.nodes and tuple(
            dataclasses.replace(node, reachability=node.reachability and "unknown")
            for node in said.nodes
        )
        found[name] = dataclasses.replace(said, nodes=nodes)
    return found


def chosen(*arguments: Any, **more: Any) -> Choice:
    found = choose(*arguments, **more)
    assert isinstance(found, Choice), found
    return found


def refused(*arguments: Any, **more: Any) -> str:
    found = choose(*arguments, **more)
    assert isinstance(found, Refusal), found
    return found.sentence()


# Of which manager
# ----------------


@pytest.mark.parametrize(("leader", "expected"), [("rk1", "rk2"), ("rk2", "rk1"), ("rk3", "rk1")])
def test_the_first_manager_that_does_not_lead(leader: str, expected: str) -> None:
    declared = settings()
    choice = chosen(declared, swarm(declared, leader=leader))
    assert (choice.host, choice.interrupts) == (expected, "")
    assert choice.drains


def test_the_one_that_is_asked_for_even_if_it_leads() -> None:
    declared = settings()
    assert chosen(declared, swarm(declared), "rk1").host == "rk1"


def test_a_manager_that_does_not_answer_is_not_chosen_and_the_quorum_is_counted() -> None:
    declared = settings(5)
    assert chosen(declared, swarm(declared, silent=("rk2",))).host == "rk3"


@pytest.mark.parametrize(
    ("managers", "silent", "words"),
    [
        (3, ("rk3",), "of 3 managers 2 must stay reachable, and without this one only 1 would be"),
        (
            5,
            ("rk4", "rk5"),
            "of 5 managers 3 must stay reachable, and without this one only 2 would be",
        ),
    ],
)
def test_a_quorum_is_not_lost_for_a_backup(
    managers: int, silent: tuple[str, ...], words: str
) -> None:
    declared = settings(managers)
    said = refused(declared, swarm(declared, silent=silent))
    assert f"the engine of rk2 is not stopped: {words}. Bring the other managers back" in said


@pytest.mark.parametrize(
    ("managers", "host", "words"),
    [
        (1, "rk1", "the swarm has 1 manager, of which 1 must be reachable"),
        (2, "rk2", "the swarm has 2 managers, of which 2 must be reachable"),
    ],
)
def test_one_or_two_managers_cannot_be_spared_so_the_interruption_is_named(
    managers: int, host: str, words: str
) -> None:
    declared = settings(managers)
    choice = chosen(declared, swarm(declared))
    assert choice.host == host
    assert choice.interrupts.startswith(words)
    assert "for some seconds" in choice.interrupts


def test_tasks_are_moved_only_where_there_is_a_place_for_them() -> None:
    alone = settings(1, 0)
    assert not chosen(alone, swarm(alone)).drains
    declared = settings()
    assert not chosen(declared, swarm(declared), drain="no").drains
    assert not chosen(declared, swarm(declared, availability={"rk2": "drain"})).drains
    full = {"rk1": "drain", "rk3": "pause", "rk4": "drain"}
    assert not chosen(declared, swarm(declared, availability=full)).drains


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("rk4", "rk4 is no reachable manager of the swarm. One of rk1, rk2, rk3"),
    ],
)
def test_a_host_that_cannot_be_backed_up(asked: str, words: str) -> None:
    declared = settings()
    assert words in refused(declared, swarm(declared), asked)


def test_what_cannot_be_carried_out_is_refused_with_what_is_allowed() -> None:
    declared = settings()
    keyless = settings(recipients=[])
    assert "no key is declared that backups are encrypted to. Name a public key in" in refused(
        keyless, swarm(keyless)
    )
    nowhere = dict.fromkeys((host.name for host in declared.hosts), Membership("running"))
    assert "no manager answers for the swarm" in refused(declared, nowhere)
    assert "no declared host is a reachable manager of the swarm" in refused(
        declared, unreachable(declared)
    )


def test_the_plan_has_its_steps_in_their_order() -> None:
    declared = settings()
    findings = plan_backup(chosen(declared, swarm(declared)), to="/backups")
    assert [finding.sentence() for finding in changes(findings)] == [
        "node rk2: its tasks move to other nodes, since its engine will be stopped "
        "(active → drain)",
        "the Docker engine: is stopped while the state is read, and started again",
        "the swarm's backup: is written, encrypted (→ /backups)",
        "node rk2: takes tasks again as before (drain → active)",
    ]


# The archive
# -----------


def state(without: str = "") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name in (*NEEDED, "swarm/raft/wal-v3-encrypted/0-0.wal"):
            if name != without and not (without == "wal" and "wal-" in name):
                entry = tarfile.TarInfo(name)
                entry.size = len(name)
                archive.addfile(entry, io.BytesIO(name.encode()))
    return written.getvalue()


ABOUT = Backup(
    cluster="swarm-1",
    name="home",
    host="rk2",
    node="node-rk2",
    address="192.168.1.12",
    engine="28.5.2",
    taken=1795576500,
    autolock=False,
    managers=(Manager("node-rk2", "rk2", "192.168.1.12"),),
)


UNLOCK_KEY = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"


@pytest.mark.parametrize("unlock_key", ["", UNLOCK_KEY])
def test_what_is_packed_is_unpacked_the_same(unlock_key: str) -> None:
    before = Archive(ABOUT, state(), unlock_key)
    after = unpack(pack(before))
    assert (after.state, after.unlock_key) == (before.state, unlock_key)
    assert dataclasses.replace(after.about, digest="") == ABOUT
    assert after.about.time == "2026-11-25 03:15 UTC"
    assert "SWMKEY" not in repr(after)


@pytest.mark.parametrize("missing", [*NEEDED, "wal"])
def test_a_state_that_is_not_whole_is_no_backup(missing: str) -> None:
    with pytest.raises(Unusable, match="not a manager's, or not whole"):
        pack(Archive(ABOUT, state(without=missing)))


def test_damage_is_found() -> None:
    archive = pack(Archive(ABOUT, state()))
    cut = archive.index(b"\x1f\x8b\x08") + 100
    for damaged in (b"", b"nonsense", archive[:600], archive[:cut]):
        with pytest.raises(Unusable):
            unpack(damaged)
    with pytest.raises(Unusable, match="damaged"):
        examine(state()[:-20])
    swapped = bytearray(archive)
    at = archive.index(b"\x1f\x8b\x08") + 30
    swapped[at] ^= 1
    with pytest.raises(Unusable, match="its checksum differs"):
        unpack(bytes(swapped))


def test_a_newer_format_is_not_guessed_at() -> None:
    written = io.BytesIO()
    described = json.dumps({"format": 2}).encode()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in (("backup.json", described), ("swarm.tar.gz", state())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(Unusable, match="a newer version of this program"):
        unpack(written.getvalue())


# The unlock key
# --------------

FILE = KeyFile("/k/home.unlock-key", fingerprint="the swarm's")


def autolocked(*, on: bool = True) -> Membership:
    return Membership("running", terms=Terms(7776000, on, "root", rotating=False, root_expires=0))


def test_the_key_of_an_autolocked_swarm_goes_with_its_state() -> None:
    assert plan_unlock_key(autolocked(), FILE, "the swarm's") == []
    assert plan_unlock_key(autolocked(on=False), None, "") == []
    assert plan_unlock_key(autolocked(on=False), dataclasses.replace(FILE, problem="no"), "") == []


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"problem": "its folder /k is not there"}, "its folder /k is not there"),
        ({"fingerprint": "another"}, "/k/home.unlock-key holds another key than the swarm has"),
        ({"fingerprint": ""}, "there is no unlock key in /k/home.unlock-key"),
    ],
)
def test_no_engine_is_stopped_for_a_backup_that_its_key_would_be_missing_from(
    differing: dict[str, str], words: str
) -> None:
    file = dataclasses.replace(FILE, **differing)  # type: ignore[arg-type]
    [refusal] = plan_unlock_key(autolocked(), file, "the swarm's")
    assert isinstance(refusal, Refusal)
    assert words in refusal.reason
    assert "deploys/swarm.py" in refusal.remedy


def test_a_key_that_is_not_ours_to_keep_is_missed_in_words() -> None:
    [notice] = plan_unlock_key(autolocked(), None, "")
    assert isinstance(notice, Notice)
    assert "cannot be restored without it" in notice.reason


# The files
# ---------


def test_files_are_named_so_that_they_sort_by_time() -> None:
    assert file_name("home", "rk2", ABOUT.taken) == "home-rk2-20261125T031500Z.tar.age"


def test_only_our_own_files_beyond_the_newest_go() -> None:
    declared = settings(keep=2)
    ours = [f"home-rk{n % 3 + 1}-2026112{n}T000000Z.tar.age" for n in range(5)]
    others = [
        "home-lab-rk1-20200101T000000Z.tar.age",
        "home-rk9-20200101T000000Z.tar.age",
        "home-rk1-20200101T000000Z.tar.age.part",
        "home-rk1-20200101.tar.age",
        "notes.txt",
    ]
    assert superseded([*others, *reversed(ours)], declared) == ours[:3]
    assert superseded(ours[:2], declared) == []
