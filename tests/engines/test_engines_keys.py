"""Join tokens, the root CA, certificates and autolock on real engines.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.engines.conftest import SWARM
from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT, Run, wait_for

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)
MEMBERS = (*MANAGERS, *WORKERS)
UNDECLARED = "rk5"
CRT = "/var/lib/docker/swarm/certificates/swarm-node.crt"


def job(name: str) -> tuple[str, str]:
    return ("inventory.py", f"deploys/{name}.py")


TOKENS, CA, UNLOCK, KEY = map(job, ("rotate_tokens", "rotate_ca", "unlock", "rotate_unlock_key"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Hosts]:
    with Hosts(5) as made:
        made.settings(MANAGERS, WORKERS)
        succeeds(made, *SWARM)
        wait_until_all_there(made)
        yield made


def succeeds(hosts: Hosts, *arguments: str, **options: Any) -> Run:
    run = hosts.pyinfra("-y", *arguments, **options)
    assert run.returncode == 0, run.output
    return run


def is_refused(hosts: Hosts, *arguments: str) -> str:
    run = hosts.pyinfra("-y", *arguments)
    assert run.returncode == 1, run.output
    assert "✗" in run.output
    assert "~" not in run.output, run.output
    return run.output


def all_there(hosts: Hosts, at: str = "rk1") -> bool:
    try:
        nodes = hosts.nodes(at)
    except EngineError:
        return False
    return all(
        nodes[name].state == "ready" and nodes[name].reachability in ("", "reachable")
        for name in MEMBERS
    )


def unlock_all(hosts: Hosts, *options: str) -> Run:
    """Unlocked as a user does it; then every manager is back in all respects."""
    run = succeeds(hosts, *options, *UNLOCK)
    wait_for(
        lambda: all(all_there(hosts, name) for name in MANAGERS), "all to see all as there", 10
    )
    assert all(
        "ingress-sbox" in hosts.api(name, "/networks/ingress")["Containers"] for name in MEMBERS
    )
    return run


def wait_until_all_there(hosts: Hosts) -> None:
    wait_for(lambda: all_there(hosts), "every node to be ready and reachable", 60)


# Join tokens
# -----------


def tokens(hosts: Hosts) -> dict[str, str]:
    found: dict[str, str] = hosts.api("rk1", "/swarm")["JoinTokens"]
    return found


def try_to_join(hosts: Hosts, token: str) -> None:
    hosts.api(
        UNDECLARED,
        "/swarm/join",
        {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": hosts[UNDECLARED].address,
            "RemoteAddrs": [f"{hosts['rk1'].address}:2377"],
            "JoinToken": token,
        },
    )


def turn_out(hosts: Hosts) -> None:
    id = hosts.swarm(UNDECLARED)["NodeID"]
    hosts.api(UNDECLARED, "/swarm/leave?force=1", {})
    hosts.api("rk1", f"/nodes/{id}?force=1", method="DELETE")


def test_new_tokens_let_in_and_old_ones_do_not(engines: Hosts) -> None:
    old = tokens(engines)
    dry = engines.pyinfra("--dry", *TOKENS)
    assert "the old ones let nobody in any more" in dry.output
    assert tokens(engines) == old
    run = succeeds(engines, "-vvv", "--debug", *TOKENS)
    new = tokens(engines)
    assert set(old.values()).isdisjoint(new.values())
    for token in (*old.values(), *new.values()):
        assert token.rpartition("-")[2] not in run.output
    for token in old.values():
        with pytest.raises(EngineError, match="valid join token is necessary"):
            try_to_join(engines, token)
    try_to_join(engines, new["Worker"])
    turn_out(engines)
    assert all_there(engines)


def test_a_limit_without_the_manager_that_acts_is_refused(engines: Hosts) -> None:
    for deploy in (TOKENS, CA):
        assert "leaves out rk1" in is_refused(engines, "--limit", "rk2", *deploy)


# The root CA
# -----------


def root(hosts: Hosts) -> str:
    found: str = hosts.api("rk1", "/swarm")["TLSInfo"]["TrustRoot"]
    return found


def rotations(hosts: Hosts) -> int:
    found: int = hosts.api("rk1", "/swarm")["Spec"]["CAConfig"].get("ForceRotate", 0)
    return found


def in_progress(hosts: Hosts) -> bool:
    found: bool = hosts.api("rk1", "/swarm")["RootRotationInProgress"]
    return found


def certificate(hosts: Hosts, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(hosts[name].path(CRT).read_bytes())[0]


def assert_all_of(hosts: Hosts, trusted: str) -> None:
    authority = x509.load_pem_x509_certificate(trusted.encode())
    for name in MEMBERS:
        certificate(hosts, name).verify_directly_issued_by(authority)

    def trusted_by_all() -> bool:
        nodes = hosts.api("rk1", "/nodes")
        return {node["Description"]["TLSInfo"]["TrustRoot"] for node in nodes} == {trusted}

    wait_for(trusted_by_all, "every node to say that it trusts the new root", 20)


def begin_by_hand(hosts: Hosts) -> None:
    said = hosts.api("rk1", "/swarm")
    spec = said["Spec"]
    spec["CAConfig"]["ForceRotate"] = spec["CAConfig"].get("ForceRotate", 0) + 1
    hosts.api("rk1", f"/swarm/update?version={said['Version']['Index']}", spec)


def test_every_node_gets_a_certificate_of_the_new_root(engines: Hosts) -> None:
    before, old_tokens = root(engines), tokens(engines)
    assert_all_of(engines, before)
    run = succeeds(engines, *CA)
    after = root(engines)
    assert after != before
    assert not in_progress(engines)
    assert_all_of(engines, after)
    assert "root CA: replaced; 4 of 4 nodes have a new certificate" in run.output
    assert set(old_tokens.values()).isdisjoint(tokens(engines).values())
    assert all_there(engines)


def test_it_is_not_begun_while_a_node_is_down(engines: Hosts) -> None:
    engines.stop_engine("rk4")
    wait_for(lambda: engines.nodes("rk1")["rk4"].state == "down", "rk4 to be missed")
    before, count = root(engines), rotations(engines)
    output = is_refused(engines, *CA)
    assert "is not replaced while rk4 is down" in output
    assert (root(engines), rotations(engines)) == (before, count)
    # What would have happened: it stays open, both roots trusted, until the node is back.
    begin_by_hand(engines)
    time.sleep(8)
    assert in_progress(engines)
    output = is_refused(engines, *CA)
    assert "cannot end before rk4 has a certificate of the new one" in output
    assert "3 of 4 nodes have a new certificate" in output
    drift = engines.pyinfra("--dry", *SWARM)
    assert "it waits for rk4" in drift.output
    engines.start_engine("rk4")
    wait_for(lambda: not in_progress(engines), "the rotation to end by itself", 60)
    assert rotations(engines) == count + 1
    assert_all_of(engines, root(engines))


def test_one_under_way_is_awaited_and_not_begun_again(engines: Hosts) -> None:
    """A frozen engine keeps it open, as a slow one does."""
    wait_until_all_there(engines)
    count = rotations(engines)
    pid = int(engines.run("rk4", "cat /run/docker.pid").stdout)
    engines.run("rk4", f"kill -STOP {pid}")
    begin_by_hand(engines)
    thaw = threading.Timer(5, lambda: engines.run("rk4", f"kill -CONT {pid}"))
    thaw.start()
    run = succeeds(engines, *CA)
    thaw.join()
    assert "is being replaced already; the end is awaited" in run.output
    assert rotations(engines) == count + 1
    assert not in_progress(engines)
    assert_all_of(engines, root(engines))


def test_a_controller_that_dies_in_the_middle_leaves_a_rotation_that_ends(engines: Hosts) -> None:
    wait_until_all_there(engines)
    before, count = root(engines), rotations(engines)
    line, told = engines.pyinfra_line("-y", *CA)
    with subprocess.Popen(
        line, cwd=ROOT, env=told, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not in_progress(engines):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not in_progress(engines), "the rotation to end by itself", 60)
    assert root(engines) != before
    assert rotations(engines) == count + 1
    assert_all_of(engines, root(engines))
    succeeds(engines, *CA)
    assert_all_of(engines, root(engines))


# How long certificates are valid
# -------------------------------


def valid_for(hosts: Hosts, name: str) -> float:
    """In hours; swarm dates certificates back by one."""
    found = certificate(hosts, name)
    return (found.not_valid_after_utc - found.not_valid_before_utc).total_seconds() / 3600


def test_another_validity_is_a_change_and_a_new_root_gives_it_to_all(engines: Hosts) -> None:
    engines.settings(MANAGERS, WORKERS, swarm={"certificate_expiry": "2h"})
    dry = engines.pyinfra("--dry", *SWARM)
    assert "(90d → 2h)" in dry.output
    succeeds(engines, *SWARM)
    spec = engines.api("rk1", "/swarm")["Spec"]
    assert spec["CAConfig"]["NodeCertExpiry"] == 2 * 3600 * 10**9
    assert {round(valid_for(engines, name)) for name in MEMBERS} == {90 * 24 + 1}
    succeeds(engines, *CA)
    assert {round(valid_for(engines, name)) for name in MEMBERS} == {2 + 1}
    run = succeeds(engines, *SWARM)
    assert "as declared. Nothing was changed" in run.closing
    engines.settings(MANAGERS, WORKERS)
    succeeds(engines, *SWARM)


# Autolock
# --------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "home.unlock-key"


@pytest.fixture
def locked_up(engines: Hosts, place: Path) -> Hosts:
    """The swarm with autolock on, all unlocked."""
    declare(engines, place)
    succeeds(engines, *SWARM)
    wait_until_all_there(engines)
    return engines


def declare(hosts: Hosts, place: Path, *, on: bool = True) -> None:
    hosts.settings(MANAGERS, WORKERS, swarm={"autolock": on, "unlock_key_file": str(place)})


def unlock_key(hosts: Hosts, at: str = "rk1") -> str:
    found: str = hosts.api(at, "/swarm/unlockkey")["UnlockKey"]
    return found


def is_locked(hosts: Hosts, name: str) -> bool:
    return bool(hosts.swarm(name)["LocalNodeState"] == "locked")


def other_key(hosts: Hosts) -> str:
    """A key that is none of this swarm's, of the same form."""
    key = unlock_key(hosts)
    return key[:-8] + ("A" * 8 if not key.endswith("A" * 8) else "B" * 8)


def rotate_by_hand(hosts: Hosts) -> None:
    said = hosts.api("rk1", "/swarm")
    query = f"version={said['Version']['Index']}&rotateManagerUnlockKey=true"
    hosts.api("rk1", f"/swarm/update?{query}", said["Spec"])


@contextmanager
def watching_processes() -> Iterator[Callable[[], str]]:
    """Argument lists and environments of all processes, of the hosts' as well, until it ends."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    for name in ("cmdline", "environ"):
                        try:
                            seen.add((process / name).read_bytes())
                        except OSError:
                            continue
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: b"\n".join(seen).decode(errors="replace")
    finally:
        over.set()
        thread.join()


def files_with(hosts: Hosts, secrets: list[str]) -> list[str]:
    found = []
    for name in hosts:
        places = "/etc /tmp /var/tmp /var/log /run /root /home /var/lib/admin /dev/shm"
        patterns = "".join(f"{secret}\n" for secret in secrets)
        said = hosts.run(
            name, f"grep -rlF -D skip -f - {places} 2>/dev/null", text=patterns, check=False
        )
        found += [f"{name}:{line}" for line in said.stdout.split()]
    return found


def test_nothing_is_turned_on_where_the_key_would_have_no_place(
    engines: Hosts, tmp_path: Path
) -> None:
    declare(engines, tmp_path / "not-mounted/key")
    output = is_refused(engines, *SWARM)
    assert "its folder" in output
    assert not engines.api("rk1", "/swarm")["Spec"]["EncryptionConfig"]["AutoLockManagers"]


def test_turning_it_on_leaves_the_key_in_its_file_and_nowhere_else(
    engines: Hosts, place: Path, tmp_path: Path
) -> None:
    declare(engines, place)
    dry = engines.pyinfra("--dry", *SWARM)
    assert f"the unlock key kept in {place}" in dry.output
    assert not place.exists()
    reasons = tmp_path / "reasons"
    with watching_processes() as seen:
        run = succeeds(engines, "-vvv", "--debug", *SWARM, env={"SWARM_REASONS": str(reasons)})
        again = succeeds(engines, "-vvv", "--debug", "--json", *SWARM)
        rotated = succeeds(engines, "-vvv", "--debug", *KEY)
        for name in MANAGERS:
            engines.restart_engine(name)
        unlocked = unlock_all(engines, "-vvv", "--debug")
    key, *earlier = [
        place.read_text().strip(),
        *place.with_suffix(".unlock-key.old").read_text().split(),
    ]
    assert key == unlock_key(engines)
    assert place.stat().st_mode & 0o777 == 0o600
    assert len(earlier) == 1
    printed = "".join(one.output for one in (run, again, rotated, unlocked)) + reasons.read_text()
    assert "[pyinfra." in printed
    processes = seen()
    assert "swarm/unlockkey" in processes
    assert "swarm/unlock " in processes.replace("\0", " ")
    for secret in (key, *earlier, *tokens(engines).values()):
        for part in (secret, secret.rpartition("-")[2]):
            assert part not in printed
            assert part not in processes
    assert files_with(engines, [key, *earlier]) == []
    assert [path.name for path in sorted(place.parent.iterdir())] == [
        place.name,
        f"{place.name}.old",
    ]
    wait_until_all_there(engines)


def test_a_manager_that_was_restarted_is_locked_until_it_is_unlocked(locked_up: Hosts) -> None:
    succeeds(locked_up, *SWARM)
    locked_up.restart_engine("rk2")
    assert is_locked(locked_up, "rk2")
    run = locked_up.pyinfra("-y", *SWARM)
    assert run.returncode == 1
    assert "this manager is locked" in run.closing
    assert "deploys/unlock.py" in run.closing
    dry = locked_up.pyinfra("--dry", *UNLOCK)
    assert "1 to change, on 1 of 4 hosts" in dry.closing
    unlock_all(locked_up)
    assert all_there(locked_up, "rk2")
    assert "Nothing was changed" in unlock_all(locked_up).closing


def test_all_managers_at_once_are_locked_and_come_back(locked_up: Hosts) -> None:
    locked_up.each(locked_up.restart_engine, MANAGERS)
    assert all(is_locked(locked_up, name) for name in MANAGERS)
    run = locked_up.pyinfra("-y", *SWARM)
    assert run.returncode == 1
    assert "rk1, rk2 and rk3 are locked" in run.output
    begun = time.monotonic()
    unlock_all(locked_up)
    assert time.monotonic() - begun < 240
    assert all(all_there(locked_up, name) for name in MANAGERS)


def test_an_engine_in_no_network_is_not_restarted_again_once_another_manager_is_lost(
    locked_up: Hosts,
) -> None:
    """The restarts take minutes: the look before the first of them is not enough."""
    # Whether an unlocked engine gets into its networks is a matter of luck: this one is said to
    # be in none. All else is real.
    curl = "/usr/local/bin/curl"
    lie = (
        '#!/bin/sh\nsaid=$(/usr/bin/curl "$@"); status=$?\n'
        'printf %s "$said" | sed s/ingress-sbox/none/g; exit $status\n'
    )
    locked_up.run("rk2", f"cat > {curl} <<'END'\n{lie}END\nchmod 755 {curl}")
    locked_up.restart_engine("rk2")
    pids = [engine_of(locked_up, "rk2")]
    over = threading.Event()

    def lose_rk3() -> None:
        """At the first restart, and count the others."""
        while not over.wait(0.1):
            pid = engine_of(locked_up, "rk2")
            if pid and pid != pids[-1]:
                pids.append(pid)
                if len(pids) == 2:
                    locked_up.stop_engine("rk3")

    losing = threading.Thread(target=lose_rk3)
    losing.start()
    try:
        run = locked_up.pyinfra("-y", *UNLOCK)
    finally:
        over.set()
        losing.join()
        locked_up.run("rk2", f"rm {curl}")
        locked_up.start_engine("rk3")
        unlock_all(locked_up)
    assert run.returncode == 1, run.output
    assert "is not restarted: of 3 managers 2 must stay reachable" in run.output
    assert len(pids) == 2, run.output


def engine_of(hosts: Hosts, name: str) -> str:
    """The number of the engine's process, empty where it does not run."""
    return hosts.run(name, "cat /run/docker.pid", check=False).stdout.strip()


def test_a_key_that_does_not_fit_is_said_and_one_of_earlier_times_is_tried(
    locked_up: Hosts, place: Path
) -> None:
    right = place.read_text()
    old = place.with_name(f"{place.name}.old")
    before = old.read_text() if old.exists() else ""
    wrong = other_key(locked_up)
    old.unlink(missing_ok=True)
    place.write_text(f"{wrong}\n")
    locked_up.restart_engine("rk3")
    run = locked_up.pyinfra("-y", "-vvv", "--debug", *UNLOCK)
    assert run.returncode == 1
    assert "neither the key in the file nor an earlier one beside it fits" in run.closing
    assert wrong not in run.output
    assert is_locked(locked_up, "rk3")
    # The run on the others finds that the file holds another key, keeps it, and fetches the right.
    run = locked_up.pyinfra("-y", *SWARM)
    assert "in the file is another than the swarm's" in run.output
    assert (place.read_text(), old.read_text()) == (right, f"{wrong}\n")
    # A key of earlier times is tried where the present one is refused.
    place.write_text(f"{wrong}\n")
    old.write_text(right)
    unlock_all(locked_up)
    wait_until_all_there(locked_up)
    place.write_text(right)
    old.write_text(before)


def test_a_manager_that_was_down_at_a_rotation_is_unlocked_with_the_old_key(
    locked_up: Hosts, place: Path
) -> None:
    first = unlock_key(locked_up)
    locked_up.stop_engine("rk3")
    wait_for(lambda: locked_up.nodes("rk1")["rk3"].reachability == "unreachable", "rk3 missed")
    output = is_refused(locked_up, *KEY)
    assert "is not replaced while rk3 cannot be reached" in output
    assert unlock_key(locked_up) == first
    rotate_by_hand(locked_up)
    run = locked_up.pyinfra("-y", *SWARM)
    assert "in the file is another than the swarm's" in run.output
    assert place.read_text().strip() == unlock_key(locked_up) != first
    locked_up.start_engine("rk3")
    assert is_locked(locked_up, "rk3")
    unlock_all(locked_up)
    wait_until_all_there(locked_up)
    # It has the new one from now on.
    locked_up.restart_engine("rk3")
    assert is_locked(locked_up, "rk3")
    place.with_name(f"{place.name}.old").unlink()
    unlock_all(locked_up)
    wait_until_all_there(locked_up)


def test_a_lost_file_is_fetched_again_and_one_that_others_can_read_is_closed(
    locked_up: Hosts, place: Path
) -> None:
    place.unlink()
    dry = locked_up.pyinfra("--dry", *SWARM)
    assert "is not in its file" in dry.output
    succeeds(locked_up, *SWARM)
    assert place.read_text().strip() == unlock_key(locked_up)
    place.chmod(0o644)
    run = succeeds(locked_up, *SWARM)
    assert "(0644 → 0600)" in run.output
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_rotation_of_the_key_that_was_interrupted_is_finished_and_not_repeated(
    locked_up: Hosts, place: Path
) -> None:
    rotate_by_hand(locked_up)
    key = unlock_key(locked_up)
    assert place.read_text().strip() != key
    run = succeeds(locked_up, *KEY)
    assert "is not replaced now" in run.output
    assert place.read_text().strip() == unlock_key(locked_up) == key


def test_without_a_declared_file_it_is_reported_and_left_alone(locked_up: Hosts) -> None:
    locked_up.settings(MANAGERS, WORKERS)
    run = succeeds(locked_up, *SWARM)
    assert "is on, set by hand" in run.output
    assert locked_up.api("rk1", "/swarm")["Spec"]["EncryptionConfig"]["AutoLockManagers"]


def test_off_again_and_no_restart_locks_any_more(locked_up: Hosts, place: Path) -> None:
    declare(locked_up, place, on=False)
    run = succeeds(locked_up, *SWARM)
    assert "declared off" in run.output
    assert place.exists()
    locked_up.restart_engine("rk2")
    assert not is_locked(locked_up, "rk2")
    wait_until_all_there(locked_up)
    assert "autolock is off, so there is none" in is_refused(locked_up, *KEY)
    assert "Nothing was changed" in succeeds(locked_up, *SWARM).closing
