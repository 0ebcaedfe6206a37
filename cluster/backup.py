"""A backup of the swarm's state: of which manager, what is in it, what it is called.

What a manager keeps below ``/var/lib/docker/swarm`` is the whole swarm: services, secrets, configs,
networks, nodes, and the keys to all of it. Sources: Docker's administration guide for swarm (“Back
up the swarm”: one manager at a time, its engine stopped, the others keeping a quorum).

A backup is a tar archive, encrypted as a whole: ``backup.json`` (:class:`Backup`),
``swarm.tar.gz``, the folder as it was on the host, and ``unlock-key`` of an autolocked swarm. So it
can be put back without this program.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cluster.findings import Change, Finding, Notice, Refusal
from cluster.identity import node_of
from cluster.membership import (
    Membership,
    Node,
    Observed,
    managers_of,
    quorum,
    reachable,
    view,
)
from cluster.unlock_key import KeyFile

if TYPE_CHECKING:
    from cluster.settings import Settings

FORMAT = 1
"""Of the archive; a reader refuses a newer one."""

STATE, ABOUT, UNLOCK_KEY = "swarm.tar.gz", "backup.json", "unlock-key"

NEEDED = (
    "swarm/docker-state.json",
    "swarm/state.json",
    "swarm/certificates/swarm-node.crt",
    "swarm/certificates/swarm-node.key",
    "swarm/certificates/swarm-root-ca.crt",
)
"""Files without which a manager's state is of no use; besides these there is the raft log."""

RAFT_LOG = "swarm/raft/wal-"

HEADER = b"age-encryption.org/v1\n"
"""What a file encrypted by age begins with (https://age-encryption.org/v1)."""


class Unusable(ValueError):
    """An archive that cannot be restored, and why."""


@dataclass(frozen=True)
class Manager:
    """A manager of the swarm at the time of the backup."""

    node: str
    hostname: str
    address: str


@dataclass(frozen=True)
class Backup:
    """What a backup says of itself.

    cluster: the swarm's id; name: what the settings called the cluster; host, node, address: whose
    state it is; engine: the engine's version; taken: when, in seconds since 1970; autolock: the
    state is locked, so the unlock key of that time is needed as well; managers: all of them;
    availability: what the host had before it was drained for the backup, so that the state has it
    drained; empty where it was not; digest: SHA-256 of the state's archive, in hexadecimal.
    """

    cluster: str
    name: str
    host: str
    node: str
    address: str
    engine: str
    managers: tuple[Manager, ...]
    taken: int = 0
    autolock: bool = False
    availability: str = ""
    digest: str = ""

    @property
    def time(self) -> str:
        """When it was taken, as a person reads it."""
        return datetime.fromtimestamp(self.taken, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True)
class Archive:
    """What a backup holds. unlock_key: of a locked state, empty where it is not kept with it."""

    about: Backup
    state: bytes = field(repr=False)
    unlock_key: str = field(default="", repr=False)


# The archive
# -----------


def pack(content: Archive) -> bytes:
    """The archive, still to be encrypted. Raises :class:`Unusable` where the state is not whole."""
    examine(content.state)
    digest = hashlib.sha256(content.state).hexdigest()
    described = {"format": FORMAT, **asdict(content.about), "digest": digest}
    files = {ABOUT: (json.dumps(described, indent=2) + "\n").encode(), STATE: content.state}
    if content.unlock_key:
        files[UNLOCK_KEY] = f"{content.unlock_key}\n".encode()
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, file in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(file), 0o600, content.about.taken
            archive.addfile(entry, io.BytesIO(file))
    return written.getvalue()


def unpack(archive: bytes) -> Archive:
    """What :func:`pack` was given. Raises :class:`Unusable` where any of it is not whole."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            files = {entry.name: opened.extractfile(entry) for entry in opened if entry.isfile()}
            content = {name: file.read() for name, file in files.items() if file}
        described: dict[str, Any] = json.loads(content[ABOUT])
        state = content[STATE]
        if described.pop("format") > FORMAT:
            raise Unusable("it was written by a newer version of this program")
        managers = tuple(Manager(**manager) for manager in described.pop("managers"))
        about = Backup(**described, managers=managers)
        unlock_key = content.get(UNLOCK_KEY, b"").decode("ascii").strip()
    except Unusable:
        raise
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"it is no backup of ours ({type(error).__name__})") from error
    if hashlib.sha256(state).hexdigest() != about.digest:
        raise Unusable("the state in it is not what was backed up: its checksum differs")
    examine(state)
    return Archive(about, state, unlock_key)


def examine(state: bytes) -> None:
    """Read a state's archive to its end. Raises :class:`Unusable` where something is missing."""
    try:
        with tarfile.open(fileobj=io.BytesIO(state), mode="r:gz") as archive:
            names = {entry.name.removeprefix("./") for entry in archive if entry.isfile()}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise Unusable(f"the state's archive is damaged ({error})") from error
    missing = [name for name in NEEDED if name not in names]
    if not any(name.startswith(RAFT_LOG) for name in names):
        missing.append("the raft log")
    if missing:
        raise Unusable(f"the state is not a manager's, or not whole: {', '.join(missing)} missing")


# The files on the controller
# ---------------------------


def file_name(name: str, host: str, taken: int) -> str:
    """What a backup is called: ``home-rk2-20261124T031500Z.tar.age``."""
    stamp = datetime.fromtimestamp(taken, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{name}-{host}-{stamp}.tar.age"


def superseded(files: Iterable[str], settings: Settings) -> list[str]:
    """Those names, of all in the folder, that are ours and more than are to be kept."""
    hosts = "|".join(re.escape(host.name) for host in settings.hosts)
    ours = re.compile(
        rf"{re.escape(settings.cluster.name)}-(?:{hosts})-(?P<taken>\d{{8}}T\d{{6}}Z)\.tar\.age"
    )
    found = sorted(
        (match["taken"], name) for name in files if (match := ours.fullmatch(name)) is not None
    )
    return [name for _, name in found[: -settings.backup.keep]]


# Of which manager
# ----------------


@dataclass(frozen=True)
class Choice:
    """Whose engine is stopped for the backup.

    interrupts: why the swarm cannot do without it meanwhile, as a sentence; empty where it can.
    drains: its tasks are moved to other nodes first.
    """

    host: str
    node: Node
    interrupts: str = ""
    drains: bool = False


def choose(
    settings: Settings, observed: Observed, asked: str | None = None, drain: str | None = None
) -> Choice | Refusal:
    """The manager to back up: the one asked for, else the first that does not lead.

    drain: ``no`` leaves its tasks where they are, to be stopped with the engine.
    """
    if not settings.backup.recipients:
        return _refusal(
            "no key is declared that backups are encrypted to",
            "Name a public key in backup.recipients: one line of ~/.ssh/id_ed25519.pub, or an "
            "age key (age1…)",
        )
    cluster = view(settings, observed)
    if cluster is None:
        return _refusal(
            "no manager answers for the swarm, so none can be spared",
            "Bring back managers until most of them are reachable; if they are lost for good: "
            "docs/backup.md",
        )
    managers = managers_of(cluster)
    able: dict[str, Node] = {}
    for name in [host.name for host in settings.hosts]:
        node = node_of(settings, observed, cluster, name)
        if node is not None and node.role == "manager" and node.reachability == "reachable":
            able[name] = node
    if asked is not None and asked not in able:
        return _refusal(
            f"{asked} is no reachable manager of the swarm",
            f"One of {', '.join(able)}" if able else "",
        )
    if not able:
        return _refusal("no declared host is a reachable manager of the swarm", "")
    followers = [name for name, node in able.items() if not node.leader]
    chosen = asked or (followers or list(able))[0]
    others = reachable([node for node in managers if node.id != able[chosen].id])
    needed = quorum(len(managers))
    interrupts = ""
    if others < needed:
        if len(managers) > 2:
            return _refusal(
                f"the engine of {chosen} is not stopped: of {len(managers)} managers {needed} must "
                f"stay reachable, and without this one only {others} would be",
                "Bring the other managers back first, then run again",
            )
        interrupts = (
            f"the swarm has {len(managers)} manager{'s' * (len(managers) > 1)}, of which {needed} "
            f"must be reachable: while the engine of {chosen} is stopped, for some seconds, "
            "nothing can be changed or scheduled, and what runs on it is interrupted"
        )
    elsewhere = any(
        node.id != able[chosen].id and node.state == "ready" and node.availability == "active"
        for node in cluster.nodes or ()
    )
    drains = drain != "no" and elsewhere and able[chosen].availability != "drain"
    return Choice(chosen, able[chosen], interrupts, drains)


def _refusal(reason: str, remedy: str) -> Refusal:
    return Refusal("the swarm's backup", reason, remedy=remedy)


def plan_unlock_key(cluster: Membership, file: KeyFile | None, fingerprint: str) -> list[Finding]:
    """Whether the unlock key is at hand that goes with the state: locked, it is of no use without.

    file: the declared one that keeps it, ``None`` where none is declared: then autolock is not
    ours. fingerprint: of the swarm's unlock key, empty where it was not asked for.
    """
    if cluster.terms is None or not cluster.terms.autolock:
        return []
    if file is None:
        return [
            Notice(
                "the swarm's unlock key",
                "is not in the backup, which cannot be restored without it: autolock was turned on "
                "by hand",
                remedy="Keep it with the key that opens the backups (`docker swarm unlock-key` "
                "on a manager), or declare swarm.unlock_key_file",
            )
        ]
    problem = file.lacks(fingerprint)
    if not problem:
        return []
    return [
        Refusal(
            "the swarm's unlock key",
            f"cannot go into the backup, which cannot be restored without it: {problem}",
            remedy="`pyinfra inventory.py deploys/swarm.py` fetches the swarm's key into it; then "
            "run this again",
        )
    ]


def plan_backup(choice: Choice | Refusal, *, to: str) -> list[Finding]:
    """What a backup does, in its order, or why it is not made.

    to: the file or folder it goes to.
    """
    if isinstance(choice, Refusal):
        return [choice]
    findings: list[Finding] = []
    if choice.drains:
        findings.append(
            Change(
                f"node {choice.node.hostname}",
                "its tasks move to other nodes, since its engine will be stopped",
                expected="drain",
                found=choice.node.availability,
            )
        )
    findings.append(
        Change(
            "the Docker engine",
            "is stopped while the state is read, and started again"
            + (f": {choice.interrupts}" if choice.interrupts else ""),
        )
    )
    findings.append(Change("the swarm's backup", "is written, encrypted", expected=to))
    if choice.drains:
        findings.append(
            Change(
                f"node {choice.node.hostname}",
                "takes tasks again as before",
                expected=choice.node.availability,
                found="drain",
            )
        )
    return findings
