"""Secrets and configs on real engines: created, rotated, put back, gone back, never lost.

Each test runs with all engine versions that there are. What came of it is looked up at the engines
and in the containers, never through the product's facts.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT, Run, wait_for

SECRETS = ("inventory.py", "deploys/secrets.py")
CANARY = "Pa55-of-the-canary"
NOTHING = "Nothing was changed."


@pytest.fixture
def engines(two: Hosts) -> Hosts:
    """Two nodes on which no service runs, and no secret is."""
    for service in two.api("rk1", "/services"):
        two.api("rk1", f"/services/{service['ID']}", method="DELETE")
    for kind in ("secrets", "configs"):
        for one in two.api("rk1", f"/{kind}"):
            two.api("rk1", f"/{kind}/{one['ID']}", method="DELETE")
    declare(two)
    return two


# Declared
# --------


def declare(hosts: Hosts, *tables: str) -> None:
    """Settings with these tables of ``[[secrets]]`` and ``[[configs]]``."""
    path = hosts.settings(["rk1"], ["rk2"])
    path.write_text("\n".join([path.read_text(), *tables]))


def secret(name: str = "db_password", *more: str, kind: str = "secrets") -> str:
    lines = [f"[[{kind}]]", f'name = "{name}"', f'file = "values/{name}"', *more]
    return "\n".join(lines) + "\n"


def value(hosts: Hosts, text: str, name: str = "db_password") -> None:
    """What is declared as the value from now on."""
    place = hosts.folder / "values" / name
    place.parent.mkdir(exist_ok=True, mode=0o700)
    place.write_text(text)
    place.chmod(0o600)


def succeeds(hosts: Hosts, *options: str) -> Run:
    run = hosts.pyinfra("-y", *options, *SECRETS)
    assert run.returncode == 0, run.output
    return run


def fails(hosts: Hosts, *options: str) -> Run:
    run = hosts.pyinfra("-y", *options, *SECRETS)
    assert run.returncode == 1, run.output
    return run


def as_declared(hosts: Hosts) -> None:
    """A second run looks, and does nothing."""
    run = succeeds(hosts)
    assert NOTHING in run.closing, run.output


# What the engine and the containers say
# --------------------------------------


def objects(hosts: Hosts, kind: str = "secrets") -> list[str]:
    return sorted(one["Spec"]["Name"] for one in hosts.api("rk1", f"/{kind}"))


def start(hosts: Hosts, name: str, *options: str, command: str = "sleep 100000") -> None:
    """A service that stops at once when it is told to."""
    job = any(option.endswith("-job") for option in options)
    updates = () if job else ("--update-monitor", "1s", "--restart-delay", "1s")
    hosts.docker(
        "rk1",
        *("service", "create", "--quiet", "--detach=false", "--name", name),
        *("--stop-grace-period", "0s", *updates),
        *("--no-resolve-image", *options, "busybox", "sh", "-c", command),
    )


def described(hosts: Hosts, name: str) -> Any:
    return hosts.api("rk1", f"/services/{name}")


def used(hosts: Hosts, name: str, kind: str = "Secret") -> list[str]:
    """The names of what a service uses."""
    container = described(hosts, name)["Spec"]["TaskTemplate"]["ContainerSpec"]
    return [one[f"{kind}Name"] for one in container.get(f"{kind}s") or []]


def tasks(hosts: Hosts, name: str) -> list[Any]:
    filters = json.dumps({"service": {name: True}})
    found: list[Any] = hosts.api("rk1", f"/tasks?filters={filters.replace(' ', '')}")
    return found


def inside(hosts: Hosts, name: str, command: str) -> str:
    """What a command prints in a running container of a service."""
    for host in hosts:
        ids = hosts.docker(
            host, "ps", "-q", "--filter", f"label=com.docker.swarm.service.name={name}"
        ).split()
        for id in ids:
            return hosts.docker(host, "exec", id, "sh", "-c", command)
    raise AssertionError(f"no container of {name} runs")


# Created
# -------


def test_a_declared_secret_is_created_once(engines: Hosts) -> None:
    value(engines, CANARY)
    value(engines, "listen = 80\n", "site")
    declare(engines, secret(), secret("site", kind="configs"))
    dry = engines.pyinfra("--dry", *SECRETS)
    assert "secret db_password: is declared and does not exist (→ db_password_v1)" in dry.output
    assert objects(engines) == []
    run = succeeds(engines, "-vvv", "--debug")
    assert objects(engines) == ["db_password_v1"]
    assert objects(engines, "configs") == ["site_v1"]
    [config] = engines.api("rk1", "/configs")
    assert base64.b64decode(config["Spec"]["Data"]) == b"listen = 80\n"
    as_declared(engines)
    for word in (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("=")):
        assert word not in run.output
        assert word not in json.dumps(engines.api("rk1", "/secrets"))


def test_the_largest_values_arrive_whole(engines: Hosts) -> None:
    """Also with bytes that are no text."""
    large = os.urandom(511_999)
    value(engines, "", "large")
    (engines.folder / "values/large").write_bytes(large)
    text = "x" * 1_023_999
    value(engines, text, "page")
    declare(engines, secret("large"), secret("page", kind="configs"))
    succeeds(engines)
    start(engines, "web", "--secret", "source=large_v1,target=large", command="sleep 100000")
    assert inside(engines, "web", "wc -c < /run/secrets/large").strip() == "511999"
    [config] = engines.api("rk1", "/configs")
    assert base64.b64decode(config["Spec"]["Data"]).decode() == text
    as_declared(engines)


def test_a_value_that_cannot_be_had_changes_nothing(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret(), secret("missing"))
    (engines.folder / "values/missing").unlink(missing_ok=True)
    run = fails(engines)
    assert "secret missing: its value cannot be had" in run.output
    assert objects(engines) == []


def test_a_template_is_filled_in_and_follows_its_secret(engines: Hosts) -> None:
    value(engines, "one")
    value(engines, 'password={{ secret "db_password" }}', "app")
    declare(engines, secret(), secret("app", "template = true", kind="configs"))
    succeeds(engines)
    start(
        engines,
        *("web", "--secret", "source=db_password_v1,target=db_password"),
        *("--config", "source=app_v1,target=/app.conf"),
    )
    assert inside(engines, "web", "cat /app.conf") == "password=one"
    value(engines, "two")
    succeeds(engines)
    assert inside(engines, "web", "cat /app.conf") == "password=two"


# Rotated
# -------


def test_a_changed_value_reaches_every_service_and_keeps_its_place(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    place = "source=db_password_v1,target=/etc/app/pw,uid=70,gid=71,mode=0400"
    start(engines, "web", "--update-order", "start-first", "--secret", place, "--replicas", "2")
    start(engines, "api", "--secret", "source=db_password_v1,target=db_password")
    as_declared(engines)
    value(engines, "two")
    dry = engines.pyinfra("--dry", *SECRETS)
    for words in (
        "secret db_password: its declared value is another one than the swarm has "
        "(db_password_v1 → db_password_v2)",
        "service api: does not use the current version of secret db_password "
        "(db_password_v1 → db_password_v2)",
        "service web: does not use",
    ):
        assert words in dry.output
    assert objects(engines) == ["db_password_v1"]
    succeeds(engines)
    assert used(engines, "web") == used(engines, "api") == ["db_password_v2"]
    assert (
        inside(engines, "web", "cat /etc/app/pw; stat -c %u:%g:%a /etc/app/pw") == "two70:71:400\n"
    )
    assert inside(engines, "api", "cat /run/secrets/db_password") == "two"
    assert objects(engines) == ["db_password_v1", "db_password_v2"]
    as_declared(engines)
    value(engines, "three")
    succeeds(engines)
    assert objects(engines) == ["db_password_v2", "db_password_v3"]
    as_declared(engines)


NEEDS_GOOD = "grep -q good /run/secrets/db_password && sleep 100000; exit 3"


@pytest.mark.parametrize("action", ["pause", "rollback", "continue"])
def test_a_service_that_fails_is_put_back_and_the_rest_waits(engines: Hosts, action: str) -> None:
    value(engines, "good one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    start(engines, "api", *uses)
    start(engines, "web", "--update-failure-action", action, *uses, command=NEEDS_GOOD)
    start(engines, "zoo", *uses)
    value(engines, "bad")
    run = fails(engines)
    assert "web" in run.closing, run.output
    assert used(engines, "api") == ["db_password_v2"]
    assert used(engines, "web") == used(engines, "zoo") == ["db_password_v1"]
    assert inside(engines, "web", "cat /run/secrets/db_password") == "good one"
    assert objects(engines) == ["db_password_v1", "db_password_v2"]
    if action == "pause":
        again = fails(engines)
        assert "service web" in again.output
        assert used(engines, "web") == ["db_password_v1"]
    value(engines, "good three")
    succeeds(engines)
    for name in ("api", "web", "zoo"):
        assert used(engines, name) == ["db_password_v3"]
        assert inside(engines, name, "cat /run/secrets/db_password") == "good three"
    as_declared(engines)


TAKES_ITS_TIME = "trap : TERM; while :; do sleep 1; done"
"""Not even SIGTERM ends it: the engine does, when its time is over."""

_ENDED = ("complete", "failed", "shutdown", "rejected", "orphaned", "remove")


def still_old(hosts: Hosts, name: str, version: str) -> list[str]:
    """The states of a service's tasks that have a version and have not ended."""
    return [
        task["Status"]["State"]
        for task in tasks(hosts, name)
        for one in task["Spec"]["ContainerSpec"].get("Secrets") or []
        if one["SecretName"] == version and task["Status"]["State"] not in _ENDED
    ]


def test_a_run_ends_when_nothing_uses_the_old_value_any_more(engines: Hosts) -> None:
    """Whoever takes it away in the database then shuts nobody out."""
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    slow = ("--stop-grace-period", "8s", "--update-order", "start-first", "--replicas", "2")
    start(engines, "api", *slow, *uses, command=TAKES_ITS_TIME)
    start(engines, "web", *slow, *uses)
    value(engines, "two")
    run = succeeds(engines)
    assert still_old(engines, "api", "db_password_v1") == []
    assert still_old(engines, "web", "db_password_v1") == []
    assert "to stop: until then the old value is in use" in run.output
    as_declared(engines)


def test_old_tasks_of_a_node_that_is_cut_off_are_named_and_hold_nothing_up(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    start(engines, "web", "--mode", "global", "--update-order", "start-first", *uses)
    value(engines, "two")
    engines.isolate("rk2")
    try:
        wait_for(lambda: engines.nodes("rk1")["rk2"].state == "down", "the node to be down", 90)
        run = engines.pyinfra("-y", *SECRETS)
        assert "1 old task of web: was told to stop, and has not been seen to stop" in run.output
        assert used(engines, "web") == ["db_password_v2"]
        # By any other update the engine forgets when the rotation ended.
        engines.docker("rk1", "service", "update", "--detach", "--label-add", "a=b", "web")
        again = engines.pyinfra("-y", *SECRETS)
        assert "1 old task of web: was told to stop, and has not been seen to stop" in again.output
        assert "are still stopping" not in again.output
        assert "until then the old value is in use" not in again.output
    finally:
        engines.reconnect("rk2")
    wait_for(lambda: engines.nodes("rk1")["rk2"].state == "ready", "the node to be back", 90)
    wait_for(lambda: not still_old(engines, "web", "db_password_v1"), "the old task's end", 90)
    as_declared(engines)


def test_names_that_begin_alike_are_rotated_apart(engines: Hosts) -> None:
    for name in ("app", "app_vault"):
        value(engines, "one", name)
    declare(engines, secret("app"), secret("app_vault"))
    succeeds(engines)
    for name in ("app", "app_vault"):
        start(engines, name, "--secret", f"source={name}_v1,target=pw")
    value(engines, "two", "app")
    succeeds(engines)
    assert used(engines, "app") == ["app_v2"]
    assert used(engines, "app_vault") == ["app_vault_v1"]
    as_declared(engines)


def test_a_job_is_named_and_does_not_run_again(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    start(engines, "migrate", "--mode", "replicated-job", *uses, command="true")
    before = described(engines, "migrate")
    value(engines, "two")
    run = succeeds(engines)
    assert "service migrate: is a job, which would run again" in run.output
    assert described(engines, "migrate")["JobStatus"] == before["JobStatus"]
    assert used(engines, "migrate") == ["db_password_v1"]
    [command] = [part for part in run.output.split("`") if part.startswith("docker service update")]
    engines.run("rk1", command)
    assert used(engines, "migrate") == ["db_password_v2"]
    container = described(engines, "migrate")["Spec"]["TaskTemplate"]["ContainerSpec"]
    file = before["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"][0]["File"]
    assert container["Secrets"][0]["File"] == file


def test_services_without_tasks_and_on_every_node_are_flipped_too(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    start(engines, "idle", "--replicas", "0", *uses)
    start(engines, "everywhere", "--mode", "global", *uses)
    value(engines, "two")
    succeeds(engines)
    assert used(engines, "idle") == used(engines, "everywhere") == ["db_password_v2"]
    as_declared(engines)


def test_an_object_of_that_very_name_is_adopted_only_if_declared(engines: Hosts) -> None:
    engines.docker("rk1", "secret", "create", "db_password", "-", text="by hand")
    start(engines, "web", "--secret", "db_password")
    value(engines, "ours")
    declare(engines, secret())
    run = succeeds(engines)
    assert "used by web" in run.output
    assert used(engines, "web") == ["db_password"]
    declare(engines, secret("db_password", "adopt = true"))
    succeeds(engines)
    assert used(engines, "web") == ["db_password_v1"]
    assert inside(engines, "web", "cat /run/secrets/db_password") == "ours"
    assert objects(engines) == ["db_password", "db_password_v1"]
    as_declared(engines)


def test_a_number_that_is_taken_is_left_out(engines: Hosts) -> None:
    engines.docker("rk1", "secret", "create", "db_password_v3", "-", text="by hand")
    value(engines, "one")
    declare(engines, secret())
    run = succeeds(engines)
    assert "db_password_v3 has a name of its versions" in run.output
    assert objects(engines) == ["db_password_v3", "db_password_v4"]


# Back
# ----

BACK = ("--data", "secret=db_password", "--data", "back=yes")
AGAIN = ("--data", "secret=db_password")


def test_a_way_back_stays_until_the_value_changes(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    start(engines, "api", *uses)
    start(engines, "web", *uses)
    value(engines, "two")
    succeeds(engines)
    (engines.folder / "values/db_password").unlink()  # a way back needs no value
    run = succeeds(engines, *BACK)
    assert "goes back to the version before, as asked for" in run.output
    value(engines, "two")
    for _ in range(2):
        run = succeeds(engines)
        assert "which was taken back on" in run.output
        assert "~" not in run.output
        assert used(engines, "api") == used(engines, "web") == ["db_password_v1"]
    run = succeeds(engines, *BACK)
    assert "was taken back already" in run.output
    assert used(engines, "web") == ["db_password_v1"]
    succeeds(engines, *AGAIN)
    assert used(engines, "api") == used(engines, "web") == ["db_password_v2"]
    as_declared(engines)
    value(engines, "one")
    succeeds(engines)
    assert used(engines, "api") == used(engines, "web") == ["db_password_v1"]
    assert objects(engines) == ["db_password_v1", "db_password_v2"]
    as_declared(engines)


def test_the_names_are_written_for_those_who_deploy_by_other_means(engines: Hosts) -> None:
    value(engines, "one")
    declare(engines, secret())
    path = engines.folder / "names.env"
    names = ("--data", f"names={path}")
    succeeds(engines, *names)
    assert path.read_text().splitlines()[1:] == ["DB_PASSWORD_SECRET=db_password_v1"]
    assert NOTHING in succeeds(engines, *names).closing
    value(engines, "two")
    succeeds(engines, *names)
    assert path.read_text().splitlines()[1:] == ["DB_PASSWORD_SECRET=db_password_v2"]


# Killed
# ------


def killed_when(hosts: Hosts, true: Callable[[], bool]) -> None:
    """A run that dies as soon as something is the case."""
    line, told = hosts.pyinfra_line("-y", *SECRETS)
    with subprocess.Popen(
        line,
        cwd=ROOT,
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not true():
            assert process.poll() is None, "it has ended before"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


MOMENTS: dict[str, Callable[[Hosts], bool]] = {
    "after it was created": lambda hosts: "db_password_v3" in objects(hosts),
    "while the first is flipped": lambda hosts: used(hosts, "api") == ["db_password_v3"],
    "when the first is done": lambda hosts: (
        used(hosts, "api") == ["db_password_v3"]
        and (described(hosts, "api").get("UpdateStatus") or {}).get("State") == "completed"
    ),
    "while the last is flipped": lambda hosts: used(hosts, "web") == ["db_password_v3"],
    "before the old one goes": lambda hosts: (
        used(hosts, "web") == ["db_password_v3"]
        and (described(hosts, "web").get("UpdateStatus") or {}).get("State") == "completed"
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_dies_is_finished_by_the_next(engines: Hosts, moment: str) -> None:
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    for name in ("api", "web"):
        start(engines, name, "--update-order", "start-first", *uses)
    value(engines, "two")
    succeeds(engines)
    value(engines, "three")
    killed_when(engines, lambda: MOMENTS[moment](engines))
    ids = {one["ID"] for one in engines.api("rk1", "/secrets")}
    for name in ("api", "web"):
        said = described(engines, name)
        for spec in (said["Spec"], said.get("PreviousSpec") or said["Spec"]):
            for one in spec["TaskTemplate"]["ContainerSpec"]["Secrets"]:
                assert one["SecretID"] in ids
    succeeds(engines)
    for name in ("api", "web"):
        assert used(engines, name) == ["db_password_v3"]
        assert inside(engines, name, "cat /run/secrets/db_password") == "three"
    assert objects(engines) == ["db_password_v2", "db_password_v3"]
    as_declared(engines)


def test_what_was_adopted_is_awaited_by_the_run_after_one_that_has_died(engines: Hosts) -> None:
    engines.docker("rk1", "secret", "create", "db_password", "-", text="by hand")
    slow = ("--stop-grace-period", "20s", "--update-order", "start-first")
    start(engines, "web", *slow, "--secret", "db_password", command=TAKES_ITS_TIME)
    value(engines, "ours")
    declare(engines, secret("db_password", "adopt = true"))
    killed_when(
        engines,
        lambda: (
            used(engines, "web") == ["db_password_v1"]
            and (described(engines, "web").get("UpdateStatus") or {}).get("State") == "completed"
        ),
    )
    assert still_old(engines, "web", "db_password")
    run = succeeds(engines)
    assert "old tasks of service web: are still stopping" in run.output
    assert still_old(engines, "web", "db_password") == []
    as_declared(engines)


def test_a_flip_that_fails_after_the_run_has_died_is_put_back_by_the_next(engines: Hosts) -> None:
    """Also where the managers go on over failing tasks, and call that completed."""
    value(engines, "good one")
    declare(engines, secret())
    succeeds(engines)
    uses = ("--secret", "source=db_password_v1,target=db_password")
    # A task that is started again and again runs for a moment each time: looks should miss that.
    how = ("--update-failure-action", "continue", "--restart-delay", "10s")
    start(engines, "web", *how, *uses, command=NEEDS_GOOD)
    value(engines, "bad")
    killed_when(engines, lambda: used(engines, "web") == ["db_password_v2"])
    wait_for(
        lambda: (described(engines, "web").get("UpdateStatus") or {}).get("State") == "completed",
        "the managers to call it completed",
        60,
    )
    [seen] = [what for what in differences(engines) if "web" in what]
    assert seen == "update of service web"
    run = fails(engines)
    assert "its program ended with exit code 3" in run.output
    assert used(engines, "web") == ["db_password_v1"]
    assert inside(engines, "web", "cat /run/secrets/db_password") == "good one"
    assert objects(engines) == ["db_password_v1", "db_password_v2"]
    value(engines, "good three")
    succeeds(engines)
    assert used(engines, "web") == ["db_password_v3"]
    as_declared(engines)


# Drift
# -----


def checked(hosts: Hosts) -> tuple[int, Any]:
    """A check of this part: its exit code and its report."""
    line, told = hosts.pyinfra_line()
    begin = line[: line.index("--") + 1]
    check = (sys.executable, "-m", "pyinfra_swarm.drift", "--json", "--deploy", SECRETS[1])
    done = subprocess.run(
        [*begin, *check],
        cwd=ROOT,
        env=told,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout)


def differences(hosts: Hosts) -> dict[str, str]:
    """What differs, by its name, with the kind and the reason."""
    code, report = checked(hosts)
    found = [one for host in report["hosts"] for one in host["differences"]]
    assert code == (2 if found else 0), report
    return {one["what"]: f"{one['kind']}: {one['reason']}" for one in found}


def test_drift_is_told_by_what_differs_and_never_by_a_value(engines: Hosts) -> None:
    value(engines, CANARY)
    declare(engines, secret())
    assert differences(engines) == {"secret db_password": "change: is declared and does not exist"}
    succeeds(engines)
    start(engines, "web", "--secret", "source=db_password_v1,target=pw")
    code, report = checked(engines)
    assert code == 0
    [measured] = report["measures"]["secrets and configs"]
    assert {**measured, "age_days": 0} == {
        **{"kind": "secret", "name": "db_password", "version": 1, "versions": 1, "users": 1},
        "age_days": 0,
    }
    value(engines, "another " + CANARY)
    assert differences(engines) == {
        "secret db_password": "change: its declared value is another one than the swarm has",
        "service web": "change: does not use the current version of secret db_password",
    }
    assert CANARY not in json.dumps(checked(engines)[1])
    succeeds(engines)
    by_hand = ("--secret-rm", "db_password_v2", "--secret-add", "source=db_password_v1,target=pw")
    engines.docker("rk1", "service", "update", "--quiet", "--no-resolve-image", *by_hand, "web")
    assert [*differences(engines)] == ["service web"]
    succeeds(engines)
    declare(engines)
    assert differences(engines) == {
        "secret db_password": "notice: is not declared any more, and is used by web"
    }


# Told by the fact
# ----------------


def test_the_fact_tells_who_uses_what_and_no_value(engines: Hosts) -> None:
    value(engines, CANARY)
    value(engines, CANARY, "site")
    declare(engines, secret(), secret("site", kind="configs"))
    succeeds(engines)
    start(
        engines,
        *("web", "--secret", "source=db_password_v1,target=pw", "--env", f"PASSWORD={CANARY}"),
        *("--label", f"password={CANARY}", "--config", "source=site_v1,target=/site"),
    )
    run = engines.pyinfra(
        "--json", "-vvv", "--debug", "inventory.py", "fact", "facts.secrets.Objects"
    )
    assert "db_password_v1" in run.stdout
    encoded = base64.b64encode(CANARY.encode()).decode().rstrip("=")
    said = run.output + "".join(map(decoded, re.findall(r"[A-Za-z0-9+/]{80,}=*", run.output)))
    assert "db_password_v1" in said.replace(run.stdout, "")
    assert CANARY not in said
    assert encoded not in said


def decoded(text: str) -> str:
    """What pyinfra shows of an answer as it was transferred."""
    whole = text[: len(text) // 4 * 4]
    return base64.b64decode(whole).decode(errors="replace")


def test_a_secret_in_use_is_not_removed_by_the_engine_itself(engines: Hosts) -> None:
    """What the plan rests on: only the current specification is looked at."""
    value(engines, "one")
    declare(engines, secret())
    succeeds(engines)
    start(engines, "web", "--secret", "source=db_password_v1,target=db_password")
    [one] = engines.api("rk1", "/secrets")
    with pytest.raises(EngineError, match="is in use"):
        engines.api("rk1", f"/secrets/{one['ID']}", method="DELETE")
    value(engines, "two")
    succeeds(engines)
    previous = described(engines, "web")["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]
    assert previous["Secrets"][0]["SecretName"] == "db_password_v1"
    engines.api("rk1", f"/secrets/{one['ID']}", method="DELETE")  # a rollback would miss it
    wait_for(lambda: objects(engines) == ["db_password_v2"], "it to be gone", 5)
