"""What a job refuses that cannot read or write what it was told of, in which words."""

from __future__ import annotations

import inspect
import io
import subprocess
import sys
import tarfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyrage
import pytest

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup import force_new_cluster_operations as force
from pyinfra_swarm.backup import record_file as backup_record
from pyinfra_swarm.backup import recover_operations as recover
from pyinfra_swarm.backup import restore_operations as restore
from pyinfra_swarm.backup import save_operations as backup
from pyinfra_swarm.backup.archive import Archive, Backup
from pyinfra_swarm.backup.force_new_cluster import ContinueAlone
from pyinfra_swarm.backup.offline_unlock import NODE_KEY
from pyinfra_swarm.backup.save import Choice
from pyinfra_swarm.drift import cli as drift_cli
from pyinfra_swarm.drift import target as drift_target
from pyinfra_swarm.engine import operations as engine_operations
from pyinfra_swarm.nodes.programs import still_node
from pyinfra_swarm.proof import operations as proof
from pyinfra_swarm.removal import operations as removal
from pyinfra_swarm.removal.steps import Leave
from pyinfra_swarm.reset import operations as reset
from pyinfra_swarm.rollback import operations as rollback
from pyinfra_swarm.run import age_encryption, confirmation, limit, pyinfra_internals, reporting
from pyinfra_swarm.run.findings import Change, Finding, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.paths import ROOT
from tests.builders import CONVERGED, node
from tests.builders import SETTINGS as FOUR
from tests.tools.other_user import as_nobody, closed_folder

ONE: dict[str, Any] = {
    "hosts": [{"name": "rk1", "address": "192.168.1.11", "role": "manager"}],
    "backup": {"recipients": ["age17rewv7umw8slk4g7mq9x3zvx3e4hwxnfhzxcnpxqxez0uv6df3usr47zp8"]},
}
SETTINGS = Settings(**ONE)
LOCKED = Path(__file__).parents[1] / "fixtures/autolock/swarm-node.key"
OTHER_KEY = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"

CHOICE = Choice("rk1", node(1), drains=True)

Say = Callable[..., None]


@pytest.fixture(autouse=True)
def state_of_this_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Give the run some ``--data``."""

    def says(**data: str) -> None:
        for job in (backup, backup_file, recover, restore, reset):
            monkeypatch.setattr(job, "given", data.get)

    return says


def without_pyrage(folder: Path, asked: str) -> str:
    """The sentence of a refusal, told by a Python that has all that this one has but pyrage."""
    libraries = folder / "libraries"
    libraries.mkdir()
    for entry in Path(pyrage.__file__).parents[1].iterdir():
        if not entry.name.startswith("pyrage"):
            (libraries / entry.name).symlink_to(entry)
    program = (
        "from pathlib import Path\n"
        "from pyinfra_swarm.backup import save_operations as backup\n"
        f"from pyinfra_swarm.backup import backup_file\n{asked}"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": f"{ROOT}:{libraries}", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def said(found: object) -> str:
    assert isinstance(found, Refusal), found
    return found.sentence()


# Reading a backup
# ----------------


def age_identity(folder: Path) -> tuple[Path, str]:
    """A new key: its file, and its public half."""
    key = pyrage.x25519.Identity.generate()
    path = folder / "identity"
    path.write_text(f"{key}\n")
    return path, str(key.to_public())


def test_the_home_of_nobody_is_a_path_that_is_not_there() -> None:
    words = said(backup_file.opened("~no-such-user/home.age", "~no-such-user/key"))
    assert "~no-such-user/home.age cannot be read: No such file" in words


def test_without_pyrage_nothing_is_decrypted(tmp_path: Path) -> None:
    told = without_pyrage(tmp_path, "print(backup_file.opened('/b', '/k').sentence())")
    assert "pyrage, which decrypts it, is not installed. pip install" in told


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    identity, _ = age_identity(tmp_path)
    missing = str(tmp_path / "none")
    words = f"{missing} cannot be read: No such file or directory"
    assert words in said(backup_file.opened(missing, str(identity)))
    assert words in said(backup_file.opened(str(identity), missing))
    for mode in (0o755, 0o700):
        with closed_folder(mode) as folder:
            (folder / "private").write_text("")
            (folder / "private").chmod(0o600)
            private = str(folder / "private")
            words = f"{private} cannot be read: Permission denied"
            assert words in said(as_nobody(partial(backup_file.opened, private, private)))


def test_a_backup_is_opened_by_the_key_it_was_encrypted_to(tmp_path: Path) -> None:
    identity, _ = age_identity(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    _, other = age_identity(tmp_path / "elsewhere")
    file = tmp_path / "one.tar.age"
    file.write_bytes(age_encryption.encrypt(b"a backup", [other]))
    assert (
        f"{file} could not be opened: it was not encrypted to this identity. Name the key it was "
        "encrypted to"
    ) in said(backup_file.opened(str(file), str(identity)))


def test_what_was_encrypted_has_to_be_a_backup(tmp_path: Path) -> None:
    identity, recipient = age_identity(tmp_path)
    file = tmp_path / "one.tar.age"
    file.write_bytes(age_encryption.encrypt(b"a diary", [recipient]))
    words = (
        f"{file} cannot be used: it is no backup of this program (ReadError). Take another backup"
    )
    assert words in said(backup_file.opened(str(file), str(identity)))


def test_a_file_with_an_unlock_key_has_one(tmp_path: Path, say: Say) -> None:
    file = tmp_path / "key"
    say(unlock=str(file))
    assert f"{file} cannot be read (FileNotFoundError)" in said(backup_file.unlock_keys(SETTINGS))
    file.write_text("my unlock key\n")
    assert f"{file} holds no unlock key (SWMKEY-…)" in said(backup_file.unlock_keys(SETTINGS))


def test_a_survivor_may_be_locked_with_another_key_than_the_one_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    say(file="one.tar.age")
    archive = SimpleNamespace(unlock_key="of the backup")
    monkeypatch.setattr(backup_file, "opened", lambda file, identity: archive)
    monkeypatch.setattr(backup_file, "declared_keys", lambda settings: ("now", "before"))
    assert backup_file.unlock_keys(SETTINGS) == ("of the backup", "now", "before")
    named = tmp_path / "key"
    named.write_text(f"{OTHER_KEY}\n")
    say(file="one.tar.age", unlock=str(named))
    assert backup_file.unlock_keys(SETTINGS) == (OTHER_KEY, "of the backup")
    say(unlock=str(named))
    assert backup_file.unlock_keys(SETTINGS) == (OTHER_KEY,)


def test_a_locked_state_needs_the_key_of_its_time() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        entry = tarfile.TarInfo(NODE_KEY)
        entry.size = LOCKED.stat().st_size
        archive.addfile(entry, io.BytesIO(LOCKED.read_bytes()))
    about = Backup("swarm-1", "home", "rk1", "node-rk1", "192.168.1.11", "28.5.2", ())
    locked = Archive(about, written.getvalue())
    words = "another one than the state is locked with. Name a file with the key "
    words += "of that time: --data unlock=PATH"
    assert words in said(backup_file.unlocked(locked, [OTHER_KEY]))


# Writing one
# -----------


def test_nothing_is_stopped_where_a_backup_cannot_be_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    told = without_pyrage(tmp_path, "print(backup._unwritable(Path('/tmp')).sentence())")
    assert "pyrage, which encrypts it, is not installed. pip install" in told


def test_nothing_is_stopped_where_the_named_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    file = tmp_path / "one.tar.age"
    say(to=str(file))
    assert backup._unwritable(file) is None
    file.touch()
    assert f"{file} exists already. Name a new file: --data to=PATH" in said(
        backup._unwritable(file)
    )
    elsewhere = tmp_path / "none/one.tar.age"
    words = f"there is no folder {elsewhere.parent}. Make it, or name another"
    assert words in said(backup._unwritable(elsewhere))
    for mode in (0o555, 0o700, 0o644):
        with closed_folder(mode) as folder:
            for path in (folder / "one.tar.age", folder / "none/one.tar.age"):
                words = f"{folder} cannot be written to. Name another: --data to=PATH"
                assert words in said(as_nobody(partial(backup._unwritable, path)))


def test_nothing_is_stopped_where_it_could_not_be_told_afterwards_who_wrote_the_backup(
    tmp_path: Path, say: Say
) -> None:
    say()
    record = backup_record.place()
    record.parent.mkdir(parents=True)
    record.write_text("")
    assert backup._unwritable(tmp_path) is None
    record.chmod(0o666)
    assert "cannot be written: others can write to" in said(backup._unwritable(tmp_path))
    record.chmod(0o600)
    record.parent.chmod(0o777)
    assert f"others can write to {record.parent}" in said(backup._unwritable(tmp_path))


def test_nothing_is_stopped_where_the_declared_folder_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    say()
    file = tmp_path / "file"
    file.touch()
    assert backup._unwritable(tmp_path / "new/folder") is None
    words = f"{file} is not a folder. Name another in backup.folder"
    assert words in said(backup._unwritable(file / "backups"))
    for mode in (0o555, 0o700, 0o644):
        with closed_folder(mode) as folder:
            for path in (folder, folder / "new", folder / "new/folder"):
                words = f"{folder} cannot be written to. Name another in backup.folder"
                assert words in said(as_nobody(partial(backup._unwritable, path)))


def refused_places(**places: Path) -> str:
    options = {"html": None, "metrics": None, "since": None, **places}
    try:
        drift_cli._places(Namespace(**options), "home")
    except drift_target.Unusable as error:
        return str(error)
    return ""


def test_no_check_is_begun_whose_page_could_not_be_written(tmp_path: Path) -> None:
    assert refused_places(html=tmp_path / "page.html") == ""
    assert "there is no folder" in refused_places(html=tmp_path / "none/page.html")
    assert "is a folder" in refused_places(metrics=tmp_path)
    for mode in (0o555, 0o700, 0o644):
        with closed_folder(mode) as folder:
            told = as_nobody(partial(refused_places, html=folder / "page.html"))
            assert f"the folder {folder} cannot be written to" in told
            told = as_nobody(partial(refused_places, html=folder / "none/page.html"))
            assert f"there is no folder {folder}/none" in told


def test_a_deploy_that_nobody_may_look_at_is_not_there() -> None:
    def named(path: Path) -> str:
        try:
            return drift_target.deploy(str(path))
        except drift_target.Unusable as error:
            return str(error)

    with closed_folder(0o700) as folder:
        told = as_nobody(partial(named, folder / "mine.py"))
    assert f"--deploy {folder}/mine.py: there is no such file" in told


# Reset, and removal
# ------------------


def test_a_node_that_is_still_a_manager_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    target = SimpleNamespace(name="rk2", nodes=[SimpleNamespace(votes=True)])
    monkeypatch.setattr(removal, "_target", lambda settings: target)
    monkeypatch.setattr(removal, "plan_leaving", lambda target: [])
    monkeypatch.setattr(removal, "_steps", lambda target, findings: [Leave("node rk2", "leaves")])
    [command] = inspect.unwrap(removal.left)(SETTINGS)
    assert "rk2 is still a manager, so it does not leave" in str(command.args)


# Left out by --limit
# -------------------


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch, say: Say) -> list[str]:
    """What jobs tell on rk3, in a run that is limited to it and the worker."""
    told: list[str] = []

    def report(part: str, findings: list[Finding]) -> None:
        told.extend(said(finding) for finding in findings)
        if findings:
            raise InterruptedError  # as a refusal ends the operation

    say()
    for module in (confirmation, removal, reset):
        monkeypatch.setattr(module, "report", report)
    here = SimpleNamespace(name="rk3")
    monkeypatch.setattr(pyinfra_internals, "host_in_context", lambda: here)
    for job in (removal, reset):
        monkeypatch.setattr(job, "memberships", lambda: CONVERGED)
    monkeypatch.setattr(limit, "in_limit", lambda: ("rk3", "rk4"))
    monkeypatch.setattr(reset, "in_limit", lambda: ("rk3", "rk4"))
    return told


def test_nobody_but_the_one_that_is_left_out_could_be_backed_up(
    limited: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(backup, "observe_all", lambda fact: CONVERGED)
    monkeypatch.setattr(backup, "_place", lambda settings: tmp_path)
    settings = FOUR.model_copy(update={"backup": SETTINGS.backup})
    with pytest.raises(InterruptedError):
        list(inspect.unwrap(backup.saved)(settings))
    assert limited == [
        "--limit: leaves out rk2, the manager that is backed up. Give no --limit, or `--limit rk2`"
    ]


def test_no_swarm_goes_on_from_a_manager_that_is_left_out(limited: list[str]) -> None:
    forced = ContinueAlone(force=True, cluster="abc", autolock=False)
    found: list[Finding] = [Change("the swarm", "goes on")]
    proposal = force.proposal("recover", found, "rk1", forced, "rk1", "it goes on")
    assert [said(finding) for finding in proposal.findings] == [
        "--limit: leaves out rk1, the manager that the swarm continues from. Give no --limit, or "
        "`--limit rk1`"
    ]
    assert (proposal.plan, proposal.word) == (None, "")
    nothing = force.proposal("recover", [], "rk1", forced, "rk1", "it goes on")
    assert (nothing.findings, nothing.plan, nothing.word) == ([], None, "")


@pytest.mark.parametrize("name", ["rk2", "rk1"])
def test_no_removal_is_begun_that_its_own_host_would_have_to_end(
    limited: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(removal, "given", {"host": name}.get)
    monkeypatch.setattr(removal, "_tasks", lambda target: ())
    for job in (removal.planned, removal.planned_replacement):
        with pytest.raises(InterruptedError):
            list(inspect.unwrap(job)(FOUR))
    assert set(limited) == {
        f"--limit: leaves out {name}, the host in whose name this is done. Give no --limit, or "
        f"`--limit {name}`"
    }


def test_no_part_of_a_swarm_is_taken_apart(
    limited: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "observe_all", lambda fact: {})
    with pytest.raises(InterruptedError):
        list(inspect.unwrap(reset.planned)(FOUR))
    [refusal] = limited
    assert refusal.startswith("--limit: leaves out rk1 and rk2: a reset ends the swarm of all")


# Silent in the middle
# --------------------


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(reporting, "failed", lambda host, message: told.append(message))
    return told


@pytest.fixture
def dying() -> Any:
    """A run whose hosts end their connection without a word."""

    def end(*_: object, **options: object) -> None:
        raise EOFError

    host = SimpleNamespace(name="rk1", run_shell_command=end, connector=None)
    inventory = SimpleNamespace(get_host=lambda name: host)
    host.state = SimpleNamespace(
        inventory=inventory, print_output=False, print_input=False, host=host
    )
    return host.state


def test_a_manager_that_falls_silent_is_named(dying: Any, failures: list[str]) -> None:
    assert not engine_operations._on(dying, dying.host, "rk2", "true", "draining it", 60)
    assert failures == [
        "draining it on rk2: no answer (EOFError). It may have happened all the same. When it "
        "answers again (look at its power, its network and its log above), run the same command: "
        "it continues from there"
    ]


def test_an_error_without_words_is_told_by_its_kind(
    dying: Any, failures: list[str], say: Say
) -> None:
    say()
    assert backup._read(dying.host, CHOICE) is None
    assert not force.take_lock_off(dying, dying.host, SETTINGS)
    assert ["(EOFError)" in message for message in failures] == [True, True]
    connector = SimpleNamespace(run_shell_command=dying.host.run_shell_command)
    assert rollback._run(connector, "true", {}) == (False, "the connection was lost: EOFError")
    assert proof._on(dying, "rk1", "true", "", 5).problem == "no answer (EOFError)"


# What cannot be taken back looks once more on the host
# -----------------------------------------------------

FORCED = ContinueAlone(force=True, cluster="abc", autolock=False)


def first(commands: object) -> str:
    """What an operation has its host do first."""
    return str(next(iter(commands)).get_raw_value())  # type: ignore[call-overload]


@pytest.fixture
def _agreed(monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    """The owner has said yes, and the plan is still the same."""
    say()
    here = SimpleNamespace(name="rk1")
    monkeypatch.setattr(pyinfra_internals, "host_in_context", lambda: here)
    for module in (force, restore, recover):
        monkeypatch.setattr(module, "progress", lambda message: None)
    monkeypatch.setattr(backup_file, "unlock_keys", lambda settings: ())


@pytest.mark.usefixtures("_agreed")
def test_a_new_cluster_is_forced_only_where_the_manager_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recover, "confirmed", lambda propose: ("rk1", FORCED))
    script = first(inspect.unwrap(recover.recovered)(FOUR))
    assert script.index(force.UNLESS_IT_ANSWERS) < script.index("/swarm/init")


@pytest.mark.usefixtures("_agreed")
def test_a_restored_swarm_is_forced_only_where_no_other_manager_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    about = SimpleNamespace(about=SimpleNamespace(time="", availability=""), state=b"")
    put_back = replace(FORCED, put_back=True)
    monkeypatch.setattr(restore, "confirmed", lambda propose: put_back)
    monkeypatch.setattr(restore, "rebuilt", lambda state: state)
    monkeypatch.setattr(backup_file, "opened", lambda file, identity: about)
    monkeypatch.setattr(backup_file, "unlocked", lambda opened, unlock: opened)
    monkeypatch.setattr(restore, "restore_target", lambda *_: FOUR.host("rk1"))
    steps = inspect.unwrap(restore.restored)(FOUR)
    assert "/swarm/init" not in first(steps)
    script = first(steps)
    assert script.index(force.UNLESS_OTHERS_ANSWER) < script.index("/swarm/init")


@pytest.mark.usefixtures("_agreed")
def test_an_engine_leaves_only_while_it_is_the_node_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = SimpleNamespace(node="node1")
    target = SimpleNamespace(name="rk1", nodes=[], own=own)
    monkeypatch.setattr(removal, "_target", lambda settings: target)
    monkeypatch.setattr(removal, "plan_leaving", lambda target: [])
    monkeypatch.setattr(removal, "_steps", lambda target, findings: [Leave("node rk1", "leaves")])
    script = first(inspect.unwrap(removal.left)(FOUR))
    assert script.index(still_node("node1")) < script.index("/swarm/leave")
    monkeypatch.setattr(reset, "this_host", lambda settings: FOUR.host("rk1"))
    monkeypatch.setattr(reset, "memberships", lambda: {"rk1": own})
    monkeypatch.setattr(reset, "plan_leaving", lambda *_, turn: [])
    monkeypatch.setattr(reset, "report", lambda part, findings: True)
    script = first(inspect.unwrap(reset.workers_left)(FOUR))
    assert script.index(still_node("node1")) < script.index("/swarm/leave?force=1")
