"""Declared stacks on real engines: deployed, kept as declared, awaited, told by field, removed.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import programs
from tests.engines.declared_stacks import (
    DB,
    STACKS,
    WEB,
    Project,
    one_manager,
    running,
    services,
    told,
    two_stacks,
)
from tests.engines.hosts import Hosts
from tests.engines.managers import in_touch
from tests.scenarios.conftest import ROOT, lines_with, reasons, wait_for


@pytest.fixture(scope="module")
def engines() -> Iterator[Hosts]:
    yield from one_manager()


@pytest.fixture
def project(engines: Hosts) -> Project:
    return two_stacks(engines)


def test_two_stacks_are_deployed_and_a_rerun_does_nothing(project: Project) -> None:
    found = services(project.hosts)
    assert {*found} == {"web_app", "web_side", "db_db"}
    assert "GREETING=hello" in found["web_app"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    assert running(project.hosts, "web_app") == 2
    project.in_sync()
    planned = project.run(how="--dry")
    assert planned.returncode == 0, planned.output
    assert not told(planned, "~")
    assert not told(planned, "!")


def test_it_stays_in_sync_whichever_engine_says_what_is_there() -> None:
    """After a restart, with another leader, and with an engine of another version: what it was
    recorded by is gone."""
    known = programs.versions()
    with Hosts(3, version=[known[0], known[-1], known[-1]]) as hosts:
        hosts.import_image()
        hosts.form(("rk1", "rk2", "rk3"))
        project = Project(hosts)
        project.declare("web", WEB, GREETING="hello")
        project.deploy()
        project.in_sync()
        hosts.restart_engine("rk1")
        wait_for(lambda: in_touch(hosts, "rk1") == {"rk1", "rk2", "rk3"}, "all managers", 90)
        project.in_sync()
        hosts.power_cut("rk1")
        wait_for(lambda: in_touch(hosts, "rk2") == {"rk2", "rk3"}, "the others to go on", 90)
        run = project.run()
        assert not told(run, "~"), run.output
        assert "not done: rk1" in run.closing


def test_an_edit_deploys_that_stack_alone_and_is_told_by_its_place(project: Project) -> None:
    before = project.versions()
    project.declare("web", WEB.replace("replicas: 2", "replicas: 1"), GREETING="hello")
    said = told(project.run(how="--dry"), "~")
    assert len(said) == 1
    assert "stack web: services.app.deploy.replicas" in said[0]
    assert "(2 → 1)" in said[0]
    project.deploy()
    after = project.versions()
    assert after["db_db"] == before["db_db"]
    assert after["web_app"] != before["web_app"]
    project.in_sync()


def test_a_variable_with_another_value_is_told_without_it(project: Project) -> None:
    project.declare("web", WEB, GREETING="hunter2")
    planned = project.run(how="--dry")
    assert "environment.GREETING" in told(planned, "~")[0]
    assert "hunter2" not in planned.output
    run = project.deploy()
    assert "hunter2" not in run.output
    env = services(project.hosts)["web_app"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    assert "GREETING=hunter2" in env
    project.in_sync()


BY_HAND = {
    "replicas": ("docker service scale --detach web_app=5", "service web_app replicas", "(5 → 2)"),
    "image": (
        "docker tag busybox:latest other:1 && "
        "docker service update --detach --no-resolve-image --image other:1 web_app",
        "service web_app image",
        "other:1",
    ),
    "environment": (
        "docker service update --detach --env-add LEVEL=2 web_app",
        "service web_app environment LEVEL",
        "another value",
    ),
    "port": (
        "docker service update --detach --publish-add 8088:80 web_app",
        "service web_app port 8088:80/tcp",
        "",
    ),
    "constraint": (
        "docker service update --detach --constraint-add node.hostname==rk1 web_app",
        "service web_app Placement.Constraints",
        "rk1",
    ),
    "removed": ("docker service rm web_side", "service web_side", "gone"),
    "extra": (
        "docker service create --detach --no-resolve-image --name web_more "
        "--label com.docker.stack.namespace=web busybox:latest sleep 9999",
        "service web_more",
        "does not declare it",
    ),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_what_somebody_has_changed_by_hand_is_told_and_put_right(
    project: Project, what: str
) -> None:
    hosts = project.hosts
    before = {name: one["Spec"] for name, one in services(hosts).items()}
    command, field, words = BY_HAND[what]
    hosts.run("rk1", command)
    said = told(project.run(how="--dry"), "~")
    assert any(field in line and words in line for line in said), said
    assert all("stack web" in line or "service web_" in line for line in said)
    project.deploy()
    after = {name: one["Spec"] for name, one in services(hosts).items()}
    for name, spec in before.items():
        spec["TaskTemplate"].pop("ForceUpdate", None)
        after[name]["TaskTemplate"].pop("ForceUpdate", None)
        assert without_image_label(after[name]) == without_image_label(spec), name
    assert {*after} == {*before}
    project.in_sync()


def without_image_label(spec: dict[str, Any]) -> dict[str, Any]:
    labels = {k: v for k, v in spec["Labels"].items() if k != "com.docker.stack.image"}
    return {**spec, "Labels": labels}


def test_what_the_swarm_changes_by_itself_is_no_drift(project: Project) -> None:
    project.hosts.docker("rk1", "service", "update", "--detach", "--force", "web_side")
    wait_for(
        lambda: (
            (services(project.hosts)["web_side"].get("UpdateStatus") or {}).get("State")
            == "completed"
        ),
        "the update",
        60,
    )
    project.in_sync()


# Failures
# --------

FAILING = {
    "image": ("image: busybox:latest", "image: registry.invalid/none:1", "image"),
    "crash": (
        'command: ["sleep", "9999"]',
        'command: ["sh", "-c", "echo cannot; exit 3"]',
        "cannot",
    ),
    "health": ('test: ["CMD", "true"]', 'test: ["CMD", "false"], retries: 1', "health check"),
    "placement": (
        "limits: { memory: 32M }",
        "limits: { memory: 900G }, reservations: { memory: 900G }",
        "no node may run it",
    ),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_stack_that_fails_is_told_with_its_cause_and_others_go_on(
    project: Project, what: str
) -> None:
    old, new, words = FAILING[what]
    project.declare("web", WEB.replace(old, new), GREETING="hello")
    project.declare("db", DB.replace("memory: 32M", "memory: 33M"))
    run = project.run()
    assert run.returncode == 1
    assert "stack web" in run.closing, run.output
    assert words in run.output, run.output
    found = services(project.hosts)["db_db"]["Spec"]["TaskTemplate"]["Resources"]
    assert found["Limits"]["MemoryBytes"] == 33 << 20
    again = told(project.run(how="--dry"), "~")
    assert again
    assert all("web" in line for line in again)
    project.declare("web", WEB, GREETING="hello")
    project.deploy()
    project.in_sync()


def test_a_first_deploy_that_fails_is_not_taken_for_done_by_the_next(project: Project) -> None:
    """Not even where the deploy changes nothing: the image has its digest in the file already."""
    project.declare("app", DB.replace("busybox:latest", f"registry.invalid/a@sha256:{'0' * 64}"))
    for _ in range(2):
        run = project.run()
        assert run.returncode == 1, run.output
        assert "its image cannot be had" in run.output, run.output
    project.declare("app", DB)
    project.deploy()
    assert running(project.hosts, "app_db") == 1
    project.in_sync()


ROLLED_BACK_MEANWHILE = """\
cat > /usr/local/bin/docker <<'END'
#!/bin/sh
/usr/bin/docker "$@" || exit
case "$1 $2 $3" in "stack deploy --compose-file")
    until /usr/bin/docker service inspect -f '{{.UpdateStatus.State}}' web_app |
        grep -q rollback_completed; do sleep 0.2; done
esac
END
chmod 755 /usr/local/bin/docker
"""
"""The command line goes from service to service, so a large stack takes it a while."""


def test_what_is_rolled_back_before_the_deploy_has_returned_is_not_taken_for_done(
    project: Project,
) -> None:
    old, new, words = FAILING["crash"]
    project.declare("web", WEB.replace(old, new, 1), GREETING="hello")
    project.hosts.run("rk1", ROLLED_BACK_MEANWHILE)
    try:
        run = project.run()
    finally:
        project.hosts.run("rk1", "rm /usr/local/bin/docker")
    assert run.returncode == 1, run.output
    assert "it was rolled back" in run.closing, run.output
    assert words in run.output, run.output
    assert told(project.run(how="--dry"), "~")
    project.declare("web", WEB, GREETING="hello")
    project.deploy()
    project.in_sync()


REFUSED = {
    "a typing mistake": ("image: busybox:latest", "images: x", "rule S0"),
    "a port that is not open": (
        "    networks: [inner]\n",
        '    networks: [inner]\n    ports: ["8099:80"]\n',
        "rule S2",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_stack_that_is_refused_holds_up_no_other(
    project: Project, what: str, tmp_path: Path
) -> None:
    old, new, words = REFUSED[what]
    project.firewall = True
    project.declare("web", WEB.replace(old, new, 1), GREETING="hello")
    project.declare("db", DB.replace("memory: 32M", "memory: 33M"))
    before = project.versions()
    log = tmp_path / "reasons"
    planned = project.run(how="--dry", env={"SWARM_REASONS": str(log)})
    refused = [line for line in told(planned, "✗") if "stack web" in line]
    assert refused, planned.output
    assert words in refused[0]
    assert {one["kind"] for one in reasons(log)} == {"change", "refusal", "notice"}
    run = project.run()
    assert run.returncode == 1
    assert "stack web" in run.closing
    after = project.versions()
    assert (after["web_app"], after["db_db"] != before["db_db"]) == (before["web_app"], True)


# Inputs
# ------


def test_several_files_variables_and_what_files_refer_to(project: Project) -> None:
    project.file("stacks/over.yml", 'services: { app: { environment: { LEVEL: "7" } } }\n')
    project.file("stacks/app.env", "FROM_FILE=a b $c\n")
    project.file("stacks/conf/app.txt", "one\n")
    text = WEB.replace("    init: true\n", "    init: true\n    env_file: ./app.env\n", 1)
    text = text.replace(
        "    networks: [inner]\n",
        "    networks: [inner]\n    configs: [{ source: conf, target: /etc/app.txt }]\n",
        1,
    )
    text += "configs:\n  conf: { file: ./conf/app.txt }\n"
    project.declare("web", text, ("stacks/web.yml", "stacks/over.yml"), GREETING="it's $x")
    project.deploy()
    container = services(project.hosts)["web_app"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert {"FROM_FILE=a b $c", "LEVEL=7", "GREETING=it's $x"} <= {*container["Env"]}
    first = container["Configs"][0]["ConfigName"]
    assert project.hosts.run("rk1", "ls /run", check=False).stdout.count("swarm-stack") == 0
    project.in_sync()
    project.file("stacks/conf/app.txt", "two\n")
    project.deploy()
    container = services(project.hosts)["web_app"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert container["Configs"][0]["ConfigName"] != first
    project.in_sync()
    assert first in config_names(project.hosts), "a rollback would need it"
    for text in ("three\n", "four\n"):
        project.file("stacks/conf/app.txt", text)
        project.deploy()
    assert len(config_names(project.hosts)) == 2
    assert first not in config_names(project.hosts)


def config_names(hosts: Hosts) -> set[str]:
    names = {one["Spec"]["Name"] for one in hosts.api("rk1", "/configs")}
    return {name for name in names if name.startswith("web_conf_")}


def test_a_value_of_this_computer_s_environment(project: Project) -> None:
    project.declare("web", WEB)
    project.stacks["web"] += 'env = { GREETING = { env = "MY_GREETING" } }\n'
    project.write()
    run = project.run()
    assert run.returncode == 1
    assert "MY_GREETING" in run.output
    run = project.run(env={"MY_GREETING": "servus"})
    assert run.returncode == 0, run.output
    env = services(project.hosts)["web_app"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    assert "GREETING=servus" in env


# Secrets
# -------


def test_a_rotation_is_no_drift_and_no_deploy_takes_it_back(project: Project) -> None:
    hosts, secrets = project.hosts, ("inventory.py", "deploys/secrets.py")
    project.rest = '[[secrets]]\nname = "db_password"\nenv = "DB_PASSWORD"\n'
    text = DB.replace("    networks: [inner]\n", "    networks: [inner]\n    secrets: [pw]\n", 1)
    text += "secrets:\n  pw: { external: true, name: db_password }\n"
    project.declare("db", text)
    first, second = ({"DB_PASSWORD": value} for value in ("hunter2", "hunter3"))
    assert project.run().returncode == 1, "it is not there yet"
    assert hosts.pyinfra("-y", *secrets, env=first).returncode == 0
    run = project.run(env=first)
    assert run.returncode == 0, run.output
    assert used(hosts) == [("pw", "db_password_v1")]
    project.in_sync()
    run = hosts.pyinfra("-y", *secrets, env=second)
    assert run.returncode == 0, run.output
    assert used(hosts) == [("pw", "db_password_v2")]
    project.in_sync()
    assert used(hosts) == [("pw", "db_password_v2")]
    project.declare("db", text.replace("memory: 32M", "memory: 33M"))
    project.deploy()
    assert used(hosts) == [("pw", "db_password_v2")]
    project.in_sync()


def used(hosts: Hosts) -> list[tuple[str, str]]:
    container = services(hosts)["db_db"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    return [(one["File"]["Name"], one["SecretName"]) for one in container.get("Secrets") or []]


def test_the_last_one_that_is_not_declared_any_more_is_told_by_the_whole_site(
    project: Project,
) -> None:
    """With the secret that it uses; and where nothing of ours is left, nothing is told."""
    hosts, secrets = project.hosts, ("inventory.py", "deploys/secrets.py")
    value = {"DB_PASSWORD": "hunter2"}
    project.rest = '[[secrets]]\nname = "db_password"\nenv = "DB_PASSWORD"\n'
    project.write()
    assert hosts.pyinfra("-y", *secrets, env=value).returncode == 0
    project.rest = ""
    for name in ("web", "db"):
        project.forget(name)
    said = notices_of_the_site(hosts)
    for left in ("stacks | stack web", "stacks | stack db", "secrets | secret db_password"):
        assert any(left in line for line in said), said
    for name in ("web", "db"):
        project.deploy("--data", f"remove={name}", "--data", f"confirm={name}")
    names = [one["Spec"]["Name"] for one in hosts.api("rk1", "/secrets")]
    hosts.run("rk1", f"docker secret rm {' '.join(names)}")
    said = notices_of_the_site(hosts)
    assert not [line for line in said if "stacks |" in line or "secrets |" in line], said


def notices_of_the_site(hosts: Hosts) -> list[str]:
    run = hosts.pyinfra("--dry", "inventory.py", "deploys/site.py")
    return lines_with(run.output, ("!",))


# Interrupted, adopted, removed
# -----------------------------


@pytest.mark.parametrize("seconds", [3, 6])
def test_a_run_that_is_killed_is_finished_by_the_next(project: Project, seconds: int) -> None:
    project.declare("web", WEB.replace('LEVEL: "1"', 'LEVEL: "2"'), GREETING="hello")
    line, env = project.hosts.pyinfra_line("-y", *STACKS)
    process = subprocess.Popen(
        line, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: project.run().returncode == 0, "the lock to be free", 120)
    env_now = services(project.hosts)["web_app"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    assert "LEVEL=2" in env_now
    assert running(project.hosts, "web_app") == 2
    project.in_sync()


def test_a_stack_that_was_deployed_by_hand_is_adopted(project: Project) -> None:
    hosts = project.hosts
    text = DB.replace("db:", "old:", 1)
    hosts.run("rk1", "docker stack deploy --resolve-image never -c - byhand", text=text)
    wait_for(lambda: running(hosts, "byhand_old") == 1, "its task", 60)
    tasks = {task["ID"] for task in hosts.api("rk1", "/tasks")}
    project.declare("byhand", text)
    assert "by other means" in told(project.run(how="--dry"), "~")[0]
    project.deploy()
    assert {task["ID"] for task in hosts.api("rk1", "/tasks")} == tasks, "something was restarted"
    project.in_sync()


def test_a_stack_that_is_not_declared_any_more_goes_when_its_owner_says_so(
    project: Project,
) -> None:
    hosts = project.hosts
    remove = ("--data", "remove=db")
    run = project.run(*remove, "--data", "confirm=db")
    assert run.returncode == 1
    assert "is declared" in run.output
    project.forget("db")
    run = project.deploy()
    assert any("stack db" in line for line in told(run, "!")), run.output
    assert "db_db" in services(hosts)
    run = project.run(*remove)
    assert run.returncode == 1
    assert "db_db" in services(hosts)
    project.declare("late", DB.replace("db:", "late:", 1))
    run = project.deploy(*remove, "--data", "confirm=db")
    assert "db_db" not in services(hosts)
    assert "late_late" not in services(hosts), "the plan of a removal shows no deploy"
    project.forget("late")
    assert "web_app" in services(hosts)
    assert not [one for one in hosts.api("rk1", "/networks") if one["Name"].startswith("db_")]
    assert not [one for one in hosts.api("rk1", "/configs") if "stack_db_" in one["Spec"]["Name"]]
    project.in_sync()
