"""The swarm's state of one manager, read with its engine stopped, and written here, encrypted.

The host does its part in one script that does not need this computer: it stops the engine, starts
it again, unlocks it and takes tasks again, even if the connection is lost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.backup import record_file as backup_record
from pyinfra_swarm.backup.archive import HEADER, Archive, Backup, Manager, Unusable, examine, pack
from pyinfra_swarm.backup.engine_files import ENGINE
from pyinfra_swarm.backup.offline_unlock import NotUnlocked, fitting, is_locked, node_key_in
from pyinfra_swarm.backup.record import Written, file_name
from pyinfra_swarm.backup.retention import plan_folder, plan_namesakes, superseded
from pyinfra_swarm.backup.save import Choice, choose, plan_backup, plan_unlock_key
from pyinfra_swarm.engine.api import API, WITHIN
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.keys.attach_operations import ATTEMPTS, PATIENCE
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.unlock_operations import REACHABLE_MANAGER
from pyinfra_swarm.networks.attachments import ATTACHED_TO_INGRESS
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership, managers_of, view
from pyinfra_swarm.run import age_encryption, plain_file, reporting
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    given,
    job,
    observe_all,
    observe_on,
    only_on,
)
from pyinfra_swarm.run.findings import Finding, Refusal, refusals
from pyinfra_swarm.run.limit import left_out
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.settings.paths import from_user

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

DRAINED_WITHIN = 180
"""Seconds that tasks get to move elsewhere; a service's stop grace period is 10 s by default."""

BACK_WITHIN = 120
"""Seconds that a started engine gets to be a reachable manager again."""

_LIMIT = 900


@job("backup")
def saved(settings: Settings) -> Commands:
    """The swarm's state of one manager in an encrypted file on this computer.

    ``--data host=rk2`` names the manager; else it is the first that does not lead. ``--data
    to=PATH`` names the file, or another folder. ``--data drain=no`` leaves the host's tasks where
    they are, to be stopped with its engine.

    + settings: of them ``backup``

    **Example:**

    .. code:: python

        backup.saved(load(), name="Backup: the swarm's state of one manager", _timeout=1000)
    """
    me = current_host()
    place = _place(settings)
    todo = confirmed(lambda: _proposal(settings, place))
    if todo is None:
        return
    if me.name != todo.chosen.host:
        me.noop(f"the backup is made on {todo.chosen.host}")
        return
    yield call(_save, settings, todo.chosen, todo.about, place)


@dataclass(frozen=True)
class _Todo:
    """What is saved. What the managers say of the chosen one may change in the meantime."""

    about: Backup
    chosen: Choice = field(compare=False)


def _proposal(settings: Settings, place: Path) -> Proposal[_Todo | None]:
    observed = observe_all(swarm_facts.State)
    chosen: Choice | Refusal = choose(settings, observed, given("host"), given("drain"))
    if isinstance(chosen, Choice):
        chosen = _unwritable(place) or chosen
    if isinstance(chosen, Refusal):
        return Proposal("backup", [chosen], None)
    cluster = view(settings, observed)
    assert cluster is not None  # choose has found a manager in it
    path = settings.swarm.unlock_key_path
    autolocked = bool(path and cluster.spec and cluster.spec.autolock)
    findings = plan_unlock_key(
        cluster,
        key_file.look(path) if path else None,
        observe_on(chosen.host, UnlockKey) if autolocked else "",
    )
    refused: list[Finding] = [*refusals(findings)]
    refused = refused or left_out([chosen.host], "the manager that is backed up")
    if refused:
        return Proposal("backup", refused, None)
    folder = from_user(settings.backup.folder)
    findings += plan_backup(chosen, to=str(place))
    kept = backup_record.look(folder)
    findings += plan_folder(str(folder), kept, time.time())
    findings += plan_namesakes(settings, str(folder), kept, cluster.cluster)
    return Proposal(
        "backup",
        only_on(chosen.host, findings),
        _Todo(_about(settings, chosen, cluster), chosen),
        chosen.host if chosen.interrupts else "",
        chosen.interrupts,
    )


def _place(settings: Settings) -> Path:
    """The file that was asked for, or the folder that gets the file."""
    return from_user(given("to") or settings.backup.folder)


def _unwritable(place: Path) -> Refusal | None:
    """Why nothing can be written there; looked at before any engine is stopped."""
    reason = remedy = ""
    # Not pathlib's: its questions raise PermissionError below a folder that may not be entered.
    there, is_folder = os.path.exists, os.path.isdir
    if not age_encryption.available():
        reason = "pyrage, which encrypts it, is not installed"
        remedy = age_encryption.install("backup")
    elif given("to") and not is_folder(place):
        nearest = next(path for path in place.parents if there(path))
        if there(place):
            reason, remedy = f"{place} exists already", "Name a new file: --data to=PATH"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            reason, remedy = f"{nearest} cannot be written to", "Name another: --data to=PATH"
        elif not is_folder(place.parent):
            reason, remedy = f"there is no folder {place.parent}", "Make it, or name another"
    else:
        nearest = next(path for path in (place, *place.parents) if there(path))
        if not is_folder(nearest):
            reason, remedy = f"{nearest} is not a folder", "Name another in backup.folder"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            reason, remedy = f"{nearest} cannot be written to", "Name another in backup.folder"
    if not reason and (unrecorded := backup_record.problem()):
        reason = f"the record of this computer's backups cannot be written: {unrecorded}"
        remedy = (
            "Without the record this computer cannot recognise its backups later: docs/backup.md"
        )
    return Refusal("the swarm's backup", reason, remedy=remedy) if reason else None


def _about(settings: Settings, chosen: Choice, cluster: Membership) -> Backup:
    return Backup(
        cluster=cluster.cluster,
        name=settings.cluster.name,
        host=chosen.host,
        node=chosen.node.id,
        address=chosen.node.address,
        engine=chosen.node.engine_version,
        managers=tuple(
            Manager(node.id, node.hostname, node.address) for node in managers_of(cluster)
        ),
        availability=chosen.node.availability if chosen.drains else "",
    )


def _save(
    state: State, host: Host, settings: Settings, chosen: Choice, about: Backup, place: Path
) -> bool:
    try:
        folder = place.parent if given("to") and not place.is_dir() else place
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
        # The file is made before any engine is stopped: here it shows whether there is room.
        descriptor, name = tempfile.mkstemp(prefix=".backup-", dir=folder)  # mode 0600
    except OSError as error:
        reporting.failed(host, f"the backup's file could not be made: {error}; nothing was stopped")
        return False
    waiting = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _on_the_host(host, chosen)
            read = _read(host, chosen)
            if read is None:
                return False
            content, log = read
            examine(content)
            node_key = node_key_in(content)
            about = replace(about, taken=int(time.time()), autolock=is_locked(node_key))
            unlock_key = _unlock_key(settings, node_key) if about.autolock else ""
            packed = pack(Archive(about, content, unlock_key))
            encrypted = age_encryption.encrypt(packed, settings.backup.recipients)
            file.write(encrypted)
            file.flush()
            os.fsync(file.fileno())
        if plain_file.content(waiting, len(encrypted)) != encrypted or not encrypted.startswith(
            HEADER
        ):
            raise OSError(f"{waiting} does not hold what was written to it")
        final = folder / (
            file_name(settings.cluster.name, chosen.host, about.taken)
            if folder == place
            else place.name
        )
        if final.exists():
            raise OSError(f"{final} exists already")
        written = _written(about, encrypted, final.name)
        backup_record.add(written)  # first: a file without an entry would be of unknown origin
        os.replace(waiting, final)
        plain_file.sync_folder(folder)
    except (OSError, ValueError, Unusable, NotUnlocked) as error:
        reporting.failed(host, f"no backup was written: {error}; the host is as it was")
        return False
    finally:
        waiting.unlink(missing_ok=True)
    host.log(
        f"{final}: {len(encrypted)} bytes, encrypted to {_keys(settings)}, SHA-256 {written.sha256}"
    )
    if folder == place and not given("to"):
        _clear(host, settings, folder, written)
    if log:
        reporting.failed(host, f"the backup is written, but {chosen.host} is not as it was: {log}")
        return False
    return True


def _unlock_key(settings: Settings, node_key: bytes) -> str:
    """The key that opens the state, tried on it; empty where autolock is not managed.

    Raises :class:`NotUnlocked` where no key in the file opens it.
    """
    path = settings.swarm.unlock_key_path
    return fitting(node_key, key_file.keys(path)) if path else ""


def _keys(settings: Settings) -> str:
    count = len(settings.backup.recipients)
    return "one key" if count == 1 else f"{count} keys"


def _on_the_host(host: Host, chosen: Choice) -> None:
    what = "moving its tasks, then stopping" if chosen.drains else "stopping"
    host.log(f"{what} its engine, reading the state, starting it again")


def _read(host: Host, chosen: Choice) -> tuple[bytes, str] | None:
    """The state's archive, and why the host is not as it was before, if it is not.

    The output is the swarm with all its secrets, so it is never printed.
    """
    outcome = quietly(host, save_script(chosen), timeout=_LIMIT, shown=True)
    if outcome.silent:
        reporting.failed(
            host,
            f"{outcome.problem}: no backup was written. The host starts its engine again, and "
            "takes tasks again, by itself",
        )
        return None
    said = "; ".join(outcome.said.get("log", [])) or outcome.problem or "no message"
    try:
        content = base64.b64decode("".join(outcome.said["state"]))
        if hashlib.sha256(content).hexdigest() != outcome.said["sum"][0].split()[0]:
            raise ValueError
    except (KeyError, ValueError, IndexError, binascii.Error):
        reporting.failed(host, f"the state of {chosen.host} could not be read: {said}")
        return None
    return content, "" if outcome.said["status"] == ["0"] else said


def save_script(chosen: Choice) -> str:
    """Shell that prints the state's archive, and leaves the host as it was whatever happens."""
    return program(
        __file__,
        "save.sh",
        using=[API, WITHIN, ATTACHED_TO_INGRESS, REACHABLE_MANAGER, ENGINE],
        node=chosen.node.id,
        availability=chosen.node.availability,
        drain="yes" if chosen.drains else "",
        drained_within=str(DRAINED_WITHIN),
        back_within=str(BACK_WITHIN),
        patience=str(PATIENCE),
        attempts=str(ATTEMPTS),
    )


def _written(about: Backup, encrypted: bytes, file: str) -> Written:
    return Written(
        sha256=backup_record.digest(encrypted),
        size=len(encrypted),
        file=file,
        cluster=about.cluster,
        name=about.name,
        host=about.host,
        taken=about.taken,
    )


def _clear(host: Host, settings: Settings, folder: Path, written: Written) -> None:
    """Remove backups of this computer, of this swarm, for which newer ones are kept."""
    found = backup_record.look(folder)
    last, now = written.file, time.time()
    for name in superseded(found, settings, cluster=written.cluster, written=last, now=now):
        with suppress(OSError):
            (folder / name).unlink()
            host.log(f"{folder / name}: removed, {settings.backup.keep} newer ones are kept")
