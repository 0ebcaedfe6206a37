"""The swarm's state of one manager, read with its engine stopped, written encrypted on this side.

The host does its part in one script that needs nobody: it is the host that stops the engine, so it
is the host that starts it again, unlocks it and takes tasks again, whether anybody listens or not.
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

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.backup import age_encryption
from pyinfra_swarm.backup import record_file as backup_record
from pyinfra_swarm.backup.archive import HEADER, Archive, Backup, Manager, Unusable, examine, pack
from pyinfra_swarm.backup.offline_unlock import NotUnlocked, fitting, is_locked, node_key_in
from pyinfra_swarm.backup.record import Written, file_name
from pyinfra_swarm.backup.retention import plan_folder, superseded
from pyinfra_swarm.backup.save import Choice, choose, plan_backup, plan_unlock_key
from pyinfra_swarm.engine.api import API, IN_INGRESS, REACHABLE, RESET_FAILED, WITHIN
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.unlock_operations import ATTEMPTS, PATIENCE
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership, managers_of, view
from pyinfra_swarm.run import plain_file, reporting
from pyinfra_swarm.run.answer import NoAnswer, Sections, asked, sections
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.connection import UNREACHABLE, why
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
from pyinfra_swarm.run.shell import with_values
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

    + settings: the cluster's settings; of them ``backup``

    ``--data host=rk2`` names the manager; else it is the first that does not lead. ``--data
    to=PATH`` names the file, or another folder. ``--data drain=no`` leaves the host's tasks where
    they are, to be stopped with its engine.

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
    """What is saved, and from whom; what the managers say of him changes by itself."""

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
    findings += plan_folder(str(folder), backup_record.look(folder), time.time())
    return Proposal(
        "backup",
        only_on(chosen.host, findings),
        _Todo(_about(settings, chosen, cluster), chosen),
        chosen.host if chosen.interrupts else "",
        chosen.interrupts,
    )


def _place(settings: Settings) -> Path:
    """The file that was asked for, or the folder that gets one."""
    return from_user(given("to") or settings.backup.folder)


def _unwritable(place: Path) -> Refusal | None:
    """Why nothing can be written there. Seen before any engine is stopped."""
    reason = remedy = ""
    # Not pathlib's: its questions raise PermissionError below a folder that may not be entered.
    there, is_folder = os.path.exists, os.path.isdir
    if not age_encryption.available():
        reason, remedy = "pyrage, which encrypts it, is not installed", age_encryption.INSTALL
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
        remedy = "Without it, a backup of yours looks like a stranger's later: docs/backup.md"
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
            read = _read(state, host, chosen)
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
        backup_record.add(written)  # before the file: one that is not in it would be a stranger's
        os.replace(waiting, final)
        _sync_folder(folder)
    except (OSError, ValueError, Unusable, NotUnlocked) as error:
        reporting.failed(host, f"no backup was written: {error}; the host is as it was")
        return False
    finally:
        waiting.unlink(missing_ok=True)
    host.log(
        f"{final}: {len(encrypted)} bytes, encrypted to {_keys(settings)}, SHA-256 {written.sha256}"
    )
    if folder == place and not given("to"):
        _clear(host, settings, folder, written.file)
    if log:
        reporting.failed(host, f"the backup is written, but {chosen.host} is not as it was: {log}")
        return False
    return True


def _unlock_key(settings: Settings, node_key: bytes) -> str:
    """The key that opens the state, tried on it; empty where autolock is not ours.

    Raises :class:`NotUnlocked` where no key that is kept does.
    """
    path = settings.swarm.unlock_key_path
    return fitting(node_key, key_file.keys(path)) if path else ""


def _keys(settings: Settings) -> str:
    count = len(settings.backup.recipients)
    return "one key" if count == 1 else f"{count} keys"


def _on_the_host(host: Host, chosen: Choice) -> None:
    what = "moving its tasks, then stopping" if chosen.drains else "stopping"
    host.log(f"{what} its engine, reading the state, starting it again")


def _read(state: State, host: Host, chosen: Choice) -> tuple[bytes, str] | None:
    """The state's archive, and what the host could not put right afterwards.

    The output is the swarm with all its secrets, so it is never printed.
    """
    try:
        done, output = host.run_shell_command(
            StringCommand(asked(f"set -eu\n{save_script(chosen)}")),
            print_output=False,
            print_input=state.print_input,
            _sudo=True,
            _timeout=_LIMIT,
        )
    except UNREACHABLE as error:
        reporting.failed(
            host,
            f"the connection was lost ({why(error)}): no backup was written. "
            "The host starts its engine again, and takes tasks again, by itself",
        )
        return None
    said, found = output.stderr.strip(), Sections()
    try:
        found = sections(output.stdout_lines) if done else found
    except NoAnswer as error:
        said = str(error)
    said = "; ".join(found.get("log", [])) or said or "no message"
    try:
        content = base64.b64decode("".join(found["state"]))
        if hashlib.sha256(content).hexdigest() != found["sum"][0].split()[0]:
            raise ValueError
    except (KeyError, ValueError, IndexError, binascii.Error):
        reporting.failed(host, f"the state of {chosen.host} could not be read: {said}")
        return None
    return content, "" if found["status"] == ["0"] else said


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


def _clear(host: Host, settings: Settings, folder: Path, written: str) -> None:
    """Older backups than are kept go, if this computer has written them."""
    found = backup_record.look(folder)
    for name in superseded(found, settings, written=written, now=time.time()):
        with suppress(OSError):
            (folder / name).unlink()
            host.log(f"{folder / name}: removed, {settings.backup.keep} newer ones are kept")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# On the host
# -----------

ENGINE = f"""\
running() {{
  pid=; [ ! -r /run/docker.pid ] || read -r pid < /run/docker.pid
  [ -n "$pid" ] && [ -d "/proc/$pid" ]
}}
socket=
stop_engine() {{
  # By its socket any client would start it again.
  if systemctl is-active docker.socket >/dev/null 2>&1; then
    socket=yes; systemctl stop docker.socket || return 1
  fi
  systemctl stop docker || return 1
  ! running || {{ echo "the engine runs again although it was stopped"; return 1; }}
}}
start_engine() {{
  {RESET_FAILED}
  [ -z "$socket" ] || systemctl start docker.socket || return 1
  systemctl start docker
}}
"""
"""Shell: ``stop_engine``, ``start_engine`` and ``running``."""


def save_script(chosen: Choice) -> str:
    """Shell that prints the state's archive, and leaves the host as it was whatever happens.

    What stops the engine is a process of its own that takes no signal from the connection, and the
    archive is written to memory first (``/run``, root's alone): neither a controller that dies nor
    one that is slow keeps the engine stopped. The unlock key of an autolocked swarm is asked of the
    engine before it is stopped, is kept in a variable of the shell, and leaves the host never. An
    engine that was unlocked often comes into no overlay network: then it is started once more.
    """
    drain = "drain || return 1" if chosen.drains else ":"
    text = f"""\
{API}{WITHIN}{IN_INGRESS}{ENGINE}
[ -s /var/lib/docker/swarm/docker-state.json ] || {{
  echo "there is no state of a swarm in /var/lib/docker/swarm" >&2; exit 1; }}
umask 077
rm -rf /run/pyinfra-swarm-backup.*
work=$(mktemp -d /run/pyinfra-swarm-backup.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap '' HUP INT TERM PIPE
drained= stopped= unlock= connected=
update() {{ within 60 timeout 30 docker node update --availability "$1" "$node" >/dev/null; }}
drain() {{
  drained=yes
  update drain || return 1
  within {DRAINED_WITHIN} empty || {{
    echo "tasks still run here after {DRAINED_WITHIN} s; the engine was not stopped"; return 1; }}
}}
empty() {{
  tasks=$(timeout 30 docker ps -q --filter label=com.docker.swarm.node.id) && [ -z "$tasks" ]
}}
copy() {{
  tar -C /var/lib/docker -czf "$work/partial" swarm || return 1
  ! running || {{ echo "somebody started the engine while its state was read"; return 1; }}
  mv "$work/partial" "$work/state"
}}
save() {{
  api http://localhost/swarm/unlockkey || return 1
  unlock=$answer
  ! in_ingress --max-time 5 || connected=yes
  {drain}
  can_be_spared || {{ echo "the engine was not stopped: $few"; return 1; }}
  stopped=yes
  stop_engine && copy
}}
few="too few of the other managers are reachable to do without this one"
can_be_spared() {{
  api http://localhost/nodes || return 1
  members=$(printf '%s' "$answer" | grep -o '"ManagerStatus":{{[^}}]*}}') || return 1
  managers=$(printf '%s\n' "$members" | wc -l)
  able=$(printf '%s\n' "$members" | grep -c '"Reachability":"reachable"') || return 1
  [ $managers -le 2 ] || [ $((able - 1)) -gt $((managers / 2)) ]
}}
reachable() {{
  api "http://localhost/nodes/$node" 2>/dev/null || {{
    case $answer in *"needs to be unlocked"*)
      printf '%s' "$unlock" | api --data-binary @- http://localhost/swarm/unlock;;
    esac
    return 1
  }}
  case $answer in *{REACHABLE}*) ;; *) return 1;; esac
  case $answer in *'"Status":{{"State":"ready"'*) ;; *) return 1;; esac
}}
come_back() {{
  start_engine || {{ echo "the engine could not be started: journalctl -u docker"; return 1; }}
  within {BACK_WITHIN} reachable || {{
    echo "it is not a reachable manager after {BACK_WITHIN} s"; return 1; }}
}}
connect() {{
  starts=1
  until within {PATIENCE} in_ingress --max-time 5; do
    problem="it is in no overlay network: published ports do not answer there. Restart its engine"
    [ $starts -le {ATTEMPTS} ] || {{ echo "$problem"; return 1; }}
    can_be_spared || {{ echo "$problem; not done, since $few"; return 1; }}
    starts=$((starts + 1))
    stop_engine
    come_back || return 1
  done
}}
mend() {{
  if [ -n "$stopped" ]; then
    if come_back; then [ -z "$connected" ] || connect || status=1; else status=1; fi
  fi
  if [ -n "$drained" ]; then
    update "$availability" || {{
      echo "it is drained: docker node update --availability $availability $node"; status=1; }}
  fi
}}
(
  exec >"$work/log" 2>&1 </dev/null
  status=0
  save || status=1
  mend
  echo $status > "$work/status"
  kill -0 $$ 2>/dev/null || rm -rf "$work"
) &
wait $!
section log; cat "$work/log"; section status; cat "$work/status"
[ ! -f "$work/state" ] || {{
  section sum; sha256sum < "$work/state"; section state; base64 -w 32768 "$work/state"; }}
"""
    return with_values(text, node=chosen.node.id, availability=chosen.node.availability)
