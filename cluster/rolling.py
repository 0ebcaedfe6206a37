"""Rolling work: upgrades, restarts and reboots, one node at a time, the quorum never at risk.

The turns: whoever an earlier run has left half-way, then the managers, the leader last of them,
then the workers. Every plan looks at observed state only, so that the same command finishes what
was interrupted anywhere: a node that is worked on carries what it was in a label, which is set in
the same update that drains it (:data:`BEFORE`).

Sources: Docker's administration guide for swarm (quorum, draining).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster.findings import Change, Finding, Notice, Refusal
from cluster.membership import (
    Membership,
    Node,
    Observed,
    managers_of,
    node_of,
    quorum,
    reachable,
    view,
)
from cluster.observation import Observation
from cluster.versions import encrypt_alike, engine_version, newest, order
from cluster.words import in_words

if TYPE_CHECKING:
    from cluster.docker import Engine
    from cluster.settings import Host, Settings

OURS = "pyinfra-swarm."
"""How the names of node labels begin that are the rolling jobs' own, and no owner's to declare."""

BEFORE = f"{OURS}availability-before"
"""The label of a node that is being worked on: the availability it had, and is given back."""

STAGES = ("unfinished", "managers", "leader", "workers")
"""Who comes after whom: nodes that an earlier run has left half-way, and then by their part."""

ABANDONED_AFTER = 24 * 3600
"""Seconds after which a restart of everything that was not finished is begun anew."""

WAIT = 300
"""Seconds that a node has to lose its tasks, and to come back, unless ``--data wait=`` says."""


# What the owner may say
# ----------------------


@dataclass(frozen=True)
class Options:
    """What ``--data`` says to a rolling job.

    wait: seconds that each wait may take; interruption: the owner accepts that the swarm cannot
    be controlled, or encrypted traffic not flow, meanwhile; downgrade: accepts an older engine;
    everything: reboots hosts that do not need it, too.
    """

    wait: int = WAIT
    interruption: bool = False
    downgrade: bool = False
    everything: bool = False


def options(given: Mapping[str, Any]) -> tuple[Options, list[Refusal]]:
    """Read what was given as data; what is not understood is refused."""
    refused: list[Refusal] = []

    def word(name: str, allowed: str) -> bool:
        value = given.get(name)
        if value is not None and str(value) != allowed:
            refused.append(
                Refusal(
                    f"--data {name}",
                    "has a meaning in one word only",
                    expected=f"{name}={allowed}",
                    found=f"{name}={value}",
                )
            )
        return str(value) == allowed

    wait = str(given.get("wait", WAIT))
    if not re.fullmatch(r"[1-9]\d{0,5}", wait):
        refused.append(
            Refusal(
                "--data wait",
                "is how many seconds a node has to lose its tasks, and to come back",
                expected=f"a whole number, as in wait={WAIT}",
                found=f"wait={wait}",
            )
        )
        wait = str(WAIT)
    read = Options(
        wait=int(wait),
        interruption=word("interruption", "accepted"),
        downgrade=word("downgrade", "accepted"),
        everything=word("all", "yes"),
    )
    return read, refused


# What there is to do
# -------------------


@dataclass(frozen=True)
class Running(Observation):
    """What runs on a host, and since when.

    boot: the running system's own id, another one after each boot.
    booted, engine_started: when, in seconds since 1970 by the controller's clock; the latter is
    ``None`` where no engine runs.
    kernel: the running one, as in ``uname -r``; kernels: those that could be booted.
    reboot_required: the system asks for a reboot; reboot_packages: the packages that made it.
    """

    boot: str
    booted: float
    engine_started: float | None
    kernel: str
    kernels: tuple[str, ...]
    reboot_required: bool
    reboot_packages: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """What a job has to do on one host, in the words of a finding."""

    what: str
    doing: str
    expected: str = ""
    found: str = ""
    why: str = ""


@dataclass(frozen=True)
class Roll:
    """A job as it stands.

    work: what is still to be done, by host.
    refusals: what speaks against beginning at all, besides the swarm's state.
    mark: for a job whose work cannot be seen on the hosts, the label that keeps when it was begun;
    begun: that time (seconds since 1970); continued: an earlier run has begun it.
    accepted: the owner accepts an interruption.
    """

    job: str
    work: Mapping[str, Work]
    refusals: tuple[Refusal, ...] = ()
    mark: str = ""
    begun: float = 0.0
    continued: bool = False
    accepted: bool = False


def upgrade(
    settings: Settings,
    observed: Observed,
    engines: Mapping[str, Engine | None],
    offers: Mapping[str, Sequence[str] | None],
    given: Options,
    *,
    fetched: Collection[str],
) -> Roll:
    """Every node to the declared version.

    offers: what each host can have, as apt names it; fetched: the hosts on which that is what the
    repository has now, and not what an old list says.
    """
    cluster = view(settings, observed)
    wanted = settings.docker.version
    members = {
        name: engine
        for name, engine in engines.items()
        if engine and (cluster is None or entry(settings, observed, cluster, name))
    }
    if not wanted:
        return Roll("upgrade", {}, (_undeclared(members, offers),))
    work = {
        name: Work("Docker", "is upgraded", wanted, _version_of(name, engine, observed, cluster))
        for name, engine in members.items()
        if engine.version != wanted
        or not engine.complete
        or not engine.running
        or _version_of(name, engine, observed, cluster) != wanted
    }
    refused = _pairs(wanted, work, cluster, given)
    newer = sorted(
        name for name in work if order(found := work[name].found) > order(wanted) and found
    )
    if newer and not given.downgrade:
        refused.append(
            Refusal(
                "docker.version",
                f"is older than what {in_words(newer)} {_verb(newer, 'runs', 'run')}, and an "
                "engine does not promise to read what a newer one has written",
                expected=newest(work[name].found for name in newer) or "",
                found=wanted,
                remedy="Declare the newer one, or, if you have backups: --data downgrade=accepted",
            )
        )
    lacking = sorted(
        name
        for name in work
        if name in fetched
        and (offer := offers.get(name)) is not None
        and wanted not in map(engine_version, offer)
    )
    if lacking:
        can = _common(offers)
        refused.append(
            Refusal(
                "docker.version",
                f"{in_words(lacking)} cannot have it: the repository does not offer it there, so "
                "no host is touched",
                expected=wanted,
                found=f"offered to all hosts: {', '.join(can) or 'none'}",
                remedy="Declare one of these, or make the repository reachable (apt-get update)",
            )
        )
    return Roll("upgrade", work, tuple(refused), accepted=given.interruption)


def _version_of(name: str, engine: Engine, observed: Observed, cluster: Membership | None) -> str:
    """The version that runs on a host, where the swarm says, else the one that is installed."""
    node = node_of(observed.get(name), cluster) if cluster else None
    running = node.engine_version if node and node.state == "ready" else ""
    return running if running and running != engine.version else engine.version or ""


def _undeclared(
    members: Mapping[str, Engine], offers: Mapping[str, Sequence[str] | None]
) -> Refusal:
    running = sorted({engine.version or "none" for engine in members.values()}, key=order)
    can = _common(offers)
    return Refusal(
        "docker.version",
        "is not declared, so there is nothing to upgrade to",
        found=f"running: {', '.join(running)}",
        remedy=f'Declare docker.version = "{can[0]}", the newest that all hosts can have by their '
        "package lists"
        if can
        else "Declare it; what there is: `apt-cache madison docker-ce` on a host",
    )


def _common(offers: Mapping[str, Sequence[str] | None]) -> list[str]:
    """The versions that all hosts can have, the newest first."""
    known = [set(map(engine_version, offer)) for offer in offers.values() if offer]
    released = {v for v in set.intersection(*known) if order(v)[1]} if known else set()
    return sorted(released, key=order, reverse=True)


def _pairs(
    wanted: str, work: Mapping[str, Work], cluster: Membership | None, given: Options
) -> list[Refusal]:
    """Engines that would not understand each other over encrypted networks during the roll."""
    running = {node.engine_version for node in (cluster.nodes if cluster else None) or ()}
    running |= {one.found for one in work.values()}
    deaf = sorted((v for v in running if v and not encrypt_alike(v, wanted)), key=order)
    if not work or not deaf:
        return []
    if any(encrypt_alike(version, "28.5.2") for version in deaf):
        return [
            Refusal(
                "docker.version",
                f"{wanted} and {in_words(deaf)} do not understand each other over encrypted "
                "networks (moby #51798): during the upgrade, old and new nodes would exchange "
                "nothing",
                found=wanted,
                remedy="Declare 29.2.1 or newer, which gets on with them",
            )
        ]
    if given.interruption:
        return []
    return [
        Refusal(
            "Docker Engine",
            f"{in_words(deaf)} {_verb(deaf, 'understands', 'understand')} no other release over "
            f"encrypted networks (moby #51798): until the last node has {wanted}, old and new "
            "nodes exchange nothing",
            remedy="There is no way around this version but through an interruption of that "
            "traffic; at an hour of your choice: --data interruption=accepted",
        )
    ]


def restart(
    settings: Settings,
    observed: Observed,
    running: Mapping[str, Running | None],
    given: Options,
    now: float,
) -> Roll:
    """Every engine anew: those that have been running since before this roll began.

    now: when this run began, or the earlier one that it goes on with, in seconds since 1970.
    """
    begun = {
        name: host.engine_started or 0.0
        for name, host in _members(settings, observed, running).items()
    }
    work = Work("the Docker daemon", "is restarted")
    return _all_since("restart", work, begun, view(settings, observed), given, now)


def reboot(
    settings: Settings,
    observed: Observed,
    running: Mapping[str, Running | None],
    given: Options,
    now: float,
) -> Roll:
    """Hosts that wait for a reboot; every one, if the owner says so.

    now: when this run began, or the earlier one that it goes on with, in seconds since 1970.
    """
    members = _members(settings, observed, running)
    if given.everything:
        begun = {name: host.booted for name, host in members.items()}
        work = Work("this host", "is rebooted")
        return _all_since("reboot", work, begun, view(settings, observed), given, now)
    waiting = {
        name: Work("this host", "is rebooted", why=why)
        for name, host in members.items()
        if (why := needs_reboot(host))
    }
    return Roll("reboot", waiting, accepted=given.interruption)


def _all_since(
    job: str,
    work: Work,
    begun: Mapping[str, float],
    cluster: Membership | None,
    given: Options,
    now: float,
) -> Roll:
    """All that has been running since before the roll began; an earlier run may have begun it."""
    mark = f"{OURS}{job}-since"
    said = [node.labels.get(mark, "") for node in (cluster.nodes if cluster else None) or ()]
    times = [float(text) for text in said if re.fullmatch(r"\d{1,12}", text)]
    earlier = max((t for t in times if now - t < ABANDONED_AFTER), default=None)
    since = now if earlier is None else earlier
    return Roll(
        job,
        {name: work for name, start in begun.items() if start < since},
        mark=mark,
        begun=since,
        continued=earlier is not None,
        accepted=given.interruption,
    )


def _members(
    settings: Settings, observed: Observed, running: Mapping[str, Running | None]
) -> dict[str, Running]:
    cluster = view(settings, observed)
    return {
        name: host
        for name, host in running.items()
        if host and cluster and entry(settings, observed, cluster, name)
    }


def needs_reboot(host: Running) -> str:
    """Why a host waits for a reboot; empty where it does not."""
    if host.reboot_required:
        packages = list(dict.fromkeys(host.reboot_packages))
        return f"the system asks for it ({in_words(packages)})" if packages else "the system asks"
    numbers, flavour = _kernel(host.kernel)
    later = [k for k in host.kernels if _kernel(k)[1] == flavour and _kernel(k)[0] > numbers]
    if later:
        return f"kernel {max(later, key=_kernel)} is installed, {host.kernel} runs"
    return ""


def _kernel(release: str) -> tuple[tuple[int, ...], str]:
    """A kernel's numbers, and its flavour: ``6.12.48+deb13-arm64`` → numbers, ``arm64``."""
    tail = re.search(r"[A-Za-z][A-Za-z-]*\d*$", release)
    flavour = tail[0] if tail else ""
    return tuple(map(int, re.findall(r"\d+", release.removesuffix(flavour)))), flavour


# Whose turn it is
# ----------------


def entry(settings: Settings, observed: Observed, cluster: Membership, name: str) -> Node | None:
    """A host's node; by its address where its engine does not run and so cannot say.

    A host whose engine runs and is in no swarm has none.
    """
    own = observed.get(name)
    if own is not None and own.engine == "running":
        return node_of(own, cluster)
    host = settings.host(name)
    nodes = cluster.nodes or ()
    return next((n for n in nodes if n.address == host.address), None) or next(
        (n for n in nodes if n.hostname == name), None
    )


def stage(node: Node) -> str:
    """The stage in which a node has its turn."""
    if BEFORE in node.labels:
        return "unfinished"
    if node.role == "worker":
        return "workers"
    return "leader" if node.leader else "managers"


def turns(
    settings: Settings, observed: Observed, roll: Roll, among: Iterable[str]
) -> tuple[str, ...]:
    """The hosts that have something to do, in their order.

    among: those that this run may work on.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return ()
    stages: dict[str, int] = {}
    for name in among:
        node = entry(settings, observed, cluster, name)
        if node is not None and steps(roll, name, node):
            stages[name] = STAGES.index(stage(node))
    return tuple(sorted(stages, key=stages.__getitem__))  # within a stage in the declared order


def steps(roll: Roll, name: str, node: Node) -> tuple[str, ...]:
    """What is done on a node in its turn; nothing where nothing is left to do.

    A node that an earlier run has changed already is only looked at, and put back.
    """
    if name in roll.work:
        return ("drain", "leave", "change", "return", "prove", "restore")
    if BEFORE in node.labels:
        return ("return", "prove", "restore")
    over = roll.mark in node.labels and not roll.work
    return ("forget",) if over else ()


def marks(roll: Roll, among: Sequence[str]) -> dict[str, str]:
    """The label that keeps when a roll over all has begun, for its first node to carry.

    A roll over some hosts only keeps none: it would be taken for the beginning of one over all.
    """
    if not roll.mark or roll.continued or not set(roll.work) <= set(among):
        return {}
    return {roll.mark: str(int(roll.begun))}


def bearers(roll: Roll, cluster: Membership, name: str) -> list[Node]:
    """The nodes that carry a roll's mark, where this host's turn is the last of it."""
    if not roll.mark or set(roll.work) - {name}:
        return []
    return [node for node in cluster.nodes or () if roll.mark in node.labels]


def drained(node: Node, marks: Mapping[str, str]) -> list[str]:
    """Options of ``docker node update`` that drain a node and keep what it was, in one update.

    marks: further labels to set with it.
    """
    kept = {} if BEFORE in node.labels else {BEFORE: node.availability}
    labels = {**kept, **marks}
    return ["--availability", "drain"] + [
        word for key, value in sorted(labels.items()) for word in ("--label-add", f"{key}={value}")
    ]


def restored(node: Node, removed: Sequence[str] = ()) -> list[str]:
    """Options that give a node back the availability it had, in one update.

    removed: further labels to take off with it.
    """
    keys = [key for key in (BEFORE, *removed) if key in node.labels]
    return ["--availability", node.labels.get(BEFORE, node.availability)] + [
        word for key in keys for word in ("--label-rm", key)
    ]


# The plan
# --------


def plan(
    settings: Settings,
    observed: Observed,
    roll: Roll,
    host: Host,
    order_of_turns: Sequence[str],
    among: Sequence[str],
    *,
    planning: bool = False,
) -> list[Finding]:
    """What a host's turn is, or why the whole roll must not begin or go on.

    order_of_turns: as it was when the run began, for the words; among: the hosts that this run may
    work on; planning: other nodes are not worked on yet, so those that an earlier run has left
    half-way do not stand in the way.
    """
    if roll.refusals:
        return list(roll.refusals)
    cluster = view(settings, observed)
    if cluster is None:
        return _no_swarm(observed)
    node = entry(settings, observed, cluster, host.name)
    if node is None:
        return _outside(observed.get(host.name))
    todo = steps(roll, host.name, node)
    if not todo:
        return []
    if todo == ("forget",):
        return [
            Change(f"label {roll.mark}", f"is left of a {roll.job} of all that has come through")
        ]
    refused = _unsafe(settings, observed, roll, host, node, cluster, among, planning=planning)
    if refused:
        return list(refused)
    place = ""
    if host.name in order_of_turns:
        at = order_of_turns.index(host.name) + 1
        place = f", {ordinal(at)} of {len(order_of_turns)}"
    if "change" not in todo:
        return [
            Change(
                "availability",
                f"was taken by a rolling job that did not come through{place}",
                expected=node.labels[BEFORE],
                found=node.availability,
            )
        ]
    work = roll.work[host.name]
    reason = work.doing + place + (f": {work.why}" if work.why else "")
    return [Change(work.what, reason, expected=work.expected, found=work.found)]


def unready(roll: Roll, among: Collection[str], ready: Collection[str]) -> list[Refusal]:
    """Why no node is touched yet, where the preparations have failed on some host."""
    lacking = [name for name in roll.work if name in among and name not in ready]
    if not lacking:
        return []
    return [
        Refusal(
            "Docker's packages",
            f"could not be made ready on {in_words(lacking)}, so no node is touched",
            remedy="Mend what the message of that host says, then run the same command again",
        )
    ]


def _no_swarm(observed: Observed) -> list[Finding]:
    inside = sorted(name for name, m in observed.items() if m and m.in_swarm)
    stopped = sorted(name for name, m in observed.items() if m and m.engine == "stopped")
    if stopped:
        return [
            Refusal(
                "the swarm",
                f"no manager answers for it, and Docker is stopped on {in_words(stopped)}",
                remedy="deploys/docker.py completes what was left half-way there, and starts it; "
                "then run again",
            )
        ]
    if not inside:
        return [
            Refusal(
                "the swarm",
                "there is none yet, so there is nothing to do one node after the other",
                remedy="deploys/site.py makes it",
            )
        ]
    return [
        Refusal(
            "the swarm",
            f"no manager can answer for it ({in_words(inside)} {_verb(inside, 'is', 'are')} in "
            "one): fewer managers are reachable than a quorum",
            remedy="Bring managers back until most of them are reachable; nothing can be changed "
            "safely before",
        )
    ]


def _outside(own: Membership | None) -> list[Finding]:
    if own is None or not own.in_none:
        return []
    return [
        Notice(
            "the swarm",
            "this host is not in it, so a rolling job leaves it alone",
            remedy="deploys/site.py lets it join",
        )
    ]


def _unsafe(
    settings: Settings,
    observed: Observed,
    roll: Roll,
    host: Host,
    node: Node,
    cluster: Membership,
    among: Sequence[str],
    *,
    planning: bool,
) -> list[Refusal]:
    """Why this node must not be taken away now.

    A node that an earlier run has left half-way is worth finishing while others are missing, as
    long as the quorum allows it.
    """
    nodes = cluster.nodes or ()
    half_way = [n for n in nodes if BEFORE in n.labels and n.id != node.id]
    if half_way and not planning and BEFORE not in node.labels:
        names = [n.hostname for n in half_way]
        return [
            Refusal(
                "the swarm",
                f"{in_words(names)} {_verb(names, 'has', 'have')} not come through a rolling job "
                "yet, so no other node is taken away",
                remedy="Look at it, then run the same command again, without --limit",
            )
        ]
    if BEFORE not in node.labels:
        ill = [
            words for n in nodes if (words := _illness(n)) and not (planning and BEFORE in n.labels)
        ]
        if ill:
            return [
                Refusal(
                    "the swarm",
                    f"is not whole: {in_words(ill)}; a rolling job takes one node away at a time, "
                    "and only while all others are there",
                    remedy="Bring back what is missing, or take it out of the swarm, then run "
                    "again",
                )
            ]
        silent = [name for name in among if observed.get(name) is None]
        if silent:
            return [
                Refusal(
                    "the hosts",
                    f"{in_words(silent)} did not answer, and a rolling job begins only when every "
                    "host can be looked at",
                    remedy="Bring it back, or leave it out: --exclude NAME",
                )
            ]
    managers = managers_of(cluster)
    taken = {
        name
        for name in roll.work
        if name in among
        and (other := entry(settings, observed, cluster, name))
        and other.role == "manager"
    }
    if len(managers) <= 2 and taken and not roll.accepted:
        return [_few_managers(len(managers))]
    others = [n for n in managers if n.id != node.id]
    able, needed = reachable(others), quorum(len(managers))
    if node.role == "manager" and host.name in roll.work and len(managers) > 2 and able < needed:
        return [
            Refusal(
                "the quorum",
                f"of {len(managers)} managers {needed} must stay reachable, and without this one "
                f"only {able} would be",
                remedy="Bring the other managers back first, then run again",
            )
        ]
    return []


def _illness(node: Node) -> str:
    """What keeps a node from being there, in words; empty where nothing does."""
    if node.state != "ready":
        return f"{node.hostname} is {node.state}"
    if node.role == "manager" and node.reachability != "reachable":
        return f"{node.hostname} is a manager that is not reachable"
    return ""


def _few_managers(count: int) -> Refusal:
    reason = (
        "there is only one: while it is worked on"
        if count == 1
        else "there are two, and both must be reachable: while one is worked on"
    )
    return Refusal(
        "the managers",
        f"{reason}, nothing in the swarm can be changed, and what fails is not started again",
        remedy="Declare three managers, or accept it for these minutes: "
        "--data interruption=accepted",
    )


# Waiting
# -------


@dataclass(frozen=True)
class Replicas(Observation):
    """A service's tasks.

    wanted: how many are to run; running: how many do; stuck: how many no node may take, as where
    a placement constraint names a node that is drained.
    """

    name: str
    wanted: int
    running: int
    stuck: int


def company(cluster: Membership, node: Node) -> tuple[str, ...]:
    """The ids of the other nodes that are there."""
    others = [n for n in cluster.nodes or () if n.id != node.id]
    return tuple(n.id for n in others if not _illness(n))


def missing(before: Iterable[Replicas], now: Iterable[Replicas]) -> list[str]:
    """Services that were whole before, and are not now, though some node could take their tasks."""
    whole = {service.name for service in before if service.running >= service.wanted}
    return [
        f"{service.name} ({service.running} of {service.wanted})"
        for service in now
        if service.name in whole and service.running + service.stuck < service.wanted
    ]


def interrupted(now: Iterable[Replicas]) -> list[str]:
    """Services with tasks that no node may take meanwhile."""
    return [service.name for service in now if service.stuck]


def absent(
    own: Membership | None,
    cluster: Membership | None,
    node_id: str,
    version: str,
    company: Collection[str] = (),
    *,
    ingress: bool = False,
) -> str:
    """What is missing until a node is back, in words; empty where it is.

    own: what the host says; cluster: what a manager says, ``None`` where none answers.
    version: the engine that is to run on it, "" for any; ingress: published ports have to answer.
    company: the ids of the nodes that were there when it left. A new leader does not know of them
    at first, and lists them as “unknown”, until they have turned to it.
    """
    if own is None:
        return "the host does not answer"
    if own.engine != "running":
        return f"its engine is {own.engine}"
    if own.state == "locked":
        return "it is locked since its engine was started: unlock it (`docker swarm unlock`)"
    if own.state != "active":
        return f"its engine says that its place in the swarm is “{own.state}”" + (
            f" ({own.error})" if own.error else ""
        )
    if cluster is None:
        return "no manager answers for the swarm"
    node = next((n for n in cluster.nodes or () if n.id == node_id), None)
    if node is None:
        return "the managers do not know it any longer"
    if node.state != "ready":
        return f"the managers say that it is {node.state}"
    if node.role == "manager" and node.reachability != "reachable":
        return "as a manager it is not reachable yet"
    if version and node.engine_version != version:
        return f"the managers see engine {node.engine_version} on it, not {version}"
    others = [n for n in cluster.nodes or () if n.id in company and (_illness(n))]
    if others:
        return f"the managers say of others: {in_words([_illness(n) for n in others])}"
    if ingress and own.in_ingress is False:
        return "it has no end of the ingress network, so published ports do not answer there"
    return ""


def provable(cluster: Membership) -> bool:
    """Whether all nodes that are there could understand each other over encrypted networks."""
    versions = [node.engine_version for node in cluster.nodes or () if node.state == "ready"]
    return all(encrypt_alike(versions[0], version) for version in versions) if versions else False


# Words
# -----


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def _verb(words: Sequence[str], one: str, many: str) -> str:
    return one if len(words) == 1 else many
