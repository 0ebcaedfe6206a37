"""Services of real engines updated: awaited, each failure with its cause, and put back.

Each test runs with all engine versions that there are. What came of it is looked up at the engines.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pyinfra_swarm.services import operations, verdict
from pyinfra_swarm.services.ended import Ended, NotBegun
from pyinfra_swarm.services.operations import await_update, put_back, update
from pyinfra_swarm.services.service import (
    Service,
    parse_service,
    parse_services,
    parse_tasks,
    references,
    with_references,
)
from pyinfra_swarm.services.verdict import Completed, Failed, made_of
from tests.engines import programs
from tests.engines.hosts import EngineError, Hosts
from tests.engines.managers import Manager

SECOND = 10**9
GOES_ON = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
HOST_NAMES = ("rk1", "rk2")


@pytest.fixture(scope="module", params=programs.versions() if os.geteuid() == 0 else ())
def engines(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """A manager and a worker, with an image that both have."""
    with Hosts(2, version=request.param) as made:
        made.form(["rk1"], ["rk2"])
        made.import_image()
        yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told while it goes on. The waits that end a failed update are short here."""
    said: list[str] = []
    monkeypatch.setattr(operations, "progress", said.append)
    monkeypatch.setattr(operations, "still_ours", lambda **_: None)
    monkeypatch.setattr(operations, "pause", time.sleep)
    monkeypatch.setattr(operations, "SECONDS", 1)
    monkeypatch.setattr(verdict, "SETTLED", 2.0)
    monkeypatch.setattr(verdict, "TO_RUN", 15.0)
    monkeypatch.setattr(verdict, "ANOTHER_NODE", 3.0)
    return said


@pytest.fixture
def hosts(engines: Hosts, told: list[str]) -> Iterator[Hosts]:
    """The same, without services, secrets and configs that another test has left."""
    yield engines
    for one in engines.api("rk1", "/services"):
        engines.api("rk1", f"/services/{one['ID']}", method="DELETE")
    until(lambda: not engines.api("rk1", "/tasks"), "the tasks to be gone")
    for kind in ("secrets", "configs"):
        for one in engines.api("rk1", f"/{kind}"):
            engines.api("rk1", f"/{kind}/{one['ID']}", method="DELETE")


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def spec(
    command: str = GOES_ON, *, replicas: int = 2, container: Any = None, **more: Any
) -> dict[str, Any]:
    """A service that is quick to judge."""
    return {
        "Name": "web",
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "busybox",
                "Command": ["sh", "-c", command],
                "Env": ["PASSWORD=hunter2"],
                "StopGracePeriod": SECOND,
                **(container or {}),
            },
            "RestartPolicy": {"Delay": SECOND // 5},
        },
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": {"Parallelism": 1, "Monitor": SECOND},
        "RollbackConfig": {"Parallelism": 1, "Monitor": SECOND},
        **more,
    }


def create(hosts: Hosts, of: dict[str, Any]) -> Service:
    """A service as it is when its tasks run."""
    number = hosts.api("rk1", "/services/create", of)["ID"]
    ended = await_update(manager(hosts), read(hosts, number), 0)
    assert ended.done, ended.sentence()
    service = read(hosts, number)
    assert len(running(hosts, number)) == (service.replicas or 0) or service.mode != "replicated"
    return service


def manager(hosts: Hosts) -> Any:
    return Manager(hosts, "rk1")


def read(hosts: Hosts, number: str) -> Service:
    return parse_service(hosts.api("rk1", f"/services/{number}"))


def changed(service: Service, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A service's specification with something changed in its container."""
    of: dict[str, Any] = copy.deepcopy(dict(service.spec))
    change(of["TaskTemplate"]["ContainerSpec"])
    return of


def running(hosts: Hosts, number: str) -> list[dict[str, Any]]:
    query = quote(json.dumps({"service": [number], "desired-state": ["running"]}))
    found = hosts.api("rk1", f"/tasks?filters={query}")
    return [one for one in found if one["Status"]["State"] == "running"]


def makes(hosts: Hosts, kind: str, name: str, value: str) -> str:
    body = {"Name": name, "Data": base64.b64encode(value.encode()).decode()}
    return str(hosts.api("rk1", f"/{kind}s/create", body)["ID"])


def fails(hosts: Hosts, service: Service, of: dict[str, Any]) -> Ended:
    """Update it, see it fail, and that it has and runs again what it had before."""
    ended = update(manager(hosts), service, of, doing="changing it")
    assert isinstance(ended.outcome, Failed), ended.sentence()
    now = read(hosts, service.id)
    assert verdict.same_spec(now.spec, service.spec)
    tasks = running(hosts, service.id)
    assert len(tasks) == (service.replicas or len(HOST_NAMES))
    [run] = {json.dumps(task["Spec"]["ContainerSpec"]) for task in tasks}
    assert json.loads(run) == now.spec["TaskTemplate"]["ContainerSpec"]
    assert ended.back is None or isinstance(ended.back, Completed)
    return ended


def cause(ended: Ended) -> tuple[str, str, str]:
    assert isinstance(ended.outcome, Failed)
    return ended.outcome.by, ended.outcome.cause.kind, ended.outcome.cause.sentence()


# What the engine says
# --------------------


def test_a_task_is_made_of_what_its_service_says(hosts: Hosts) -> None:
    """The comparison that all rests on: the engine writes both alike."""
    secret = makes(hosts, "secret", "db_v1", "one")
    network = hosts.api("rk1", "/networks/create", {"Name": "app", "Driver": "overlay"})["Id"]
    of = spec(
        container={
            "Secrets": [used(secret, "db_v1")],
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": SECOND, "Retries": 2},
            "Labels": {"a": "b"},
            "Hosts": ["10.0.0.1 other"],
            "Mounts": [{"Type": "tmpfs", "Target": "/scratch"}],
            "Isolation": "default",
            "Privileges": {"NoNewPrivileges": True},
        },
        Labels={"com.docker.stack.namespace": "shop"},
        EndpointSpec={"Mode": "dnsrr"},
    )
    of["TaskTemplate"] |= {
        "Networks": [{"Target": network, "Aliases": ["web"]}],
        "Placement": {"Constraints": ["node.platform.os==linux"], "MaxReplicas": 2},
        "Resources": {"Limits": {"MemoryBytes": 50 << 20}, "Reservations": {"NanoCPUs": 1000000}},
        "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
        "ForceUpdate": 3,
    }
    try:
        service = create(hosts, of)
        [same] = parse_services(json.dumps(hosts.api("rk1", "/services")))
        assert same == service
        assert (service.stack, service.mode, service.replicas) == ("shop", "replicated", 2)
        tasks = parse_tasks(json.dumps(hosts.api("rk1", "/tasks")))
        assert len(tasks) == 2
        assert all(made_of(service.spec, task) for task in tasks)
        template = {k: v for k, v in service.spec["TaskTemplate"].items() if k != "Runtime"}
        assert all(dict(task.template) == template for task in tasks)
    finally:
        for one in hosts.api("rk1", "/services"):
            hosts.api("rk1", f"/services/{one['ID']}", method="DELETE")
        until(lambda: not hosts.api("rk1", "/tasks"), "the tasks to be gone")
        until(lambda: removed(hosts, f"/networks/{network}"), "the network to go")


def removed(hosts: Hosts, path: str) -> bool:
    try:
        hosts.api("rk1", path, method="DELETE")
    except EngineError as error:
        return error.status == 404
    return True


# It goes well
# ------------


def used(number: str, name: str, kind: str = "Secret", **file: Any) -> dict[str, Any]:
    where = {"Name": "/etc/app/the password", "UID": "1000", "GID": "2000", "Mode": 0o440, **file}
    return {"File": where, f"{kind}ID": number, f"{kind}Name": name}


def test_a_secret_and_a_config_are_replaced_and_their_files_kept(hosts: Hosts, told: Any) -> None:
    old, new = (makes(hosts, "secret", f"db_v{n}", f"value {n}") for n in (1, 2))
    other = makes(hosts, "secret", "aa_v9", "other")
    config = [makes(hosts, "config", f"app_v{n}", f"config {n}") for n in (1, 2)]
    service = create(
        hosts,
        spec(
            container={
                "Secrets": [used(old, "db_v1"), used(other, "aa_v9", Name="other", UID="0")],
                "Configs": [used(config[0], "app_v1", "Config", Name="/etc/app.conf", Mode=0o400)],
            }
        ),
    )
    of = with_references(service.spec, "secret", {old: (new, "db_v2")})
    of = with_references(of, "config", {config[0]: (config[1], "app_v2")})
    ended = update(manager(hosts), service, of, doing="flipping it to db_v2")
    assert ended.outcome == Completed(2), ended.sentence()
    assert "service web: flipping it to db_v2" in told
    assert [line for line in told if line.endswith("of 2 new tasks run")]
    now = read(hosts, service.id)
    assert [one.name for one in references(now.spec)] == ["aa_v9", "db_v2", "app_v2"]
    for task in running(hosts, service.id):
        name = "rk1" if task["NodeID"] == hosts.swarm("rk1")["NodeID"] else "rk2"
        container = task["Status"]["ContainerStatus"]["ContainerID"]
        look = "stat -c '%u %g %a' '/etc/app/the password'; cat '/etc/app/the password'"
        look += "; echo; stat -c %a /etc/app.conf; cat /etc/app.conf"
        said = hosts.docker(name, "exec", container, "sh", "-c", look).splitlines()
        assert said == ["1000 2000 440", "value 2", "400", "config 2"]


def test_where_no_task_is_replaced_the_managers_say_nothing_and_it_is_done(hosts: Hosts) -> None:
    service = create(hosts, spec())
    before = {task["ID"] for task in running(hosts, service.id)}
    labelled = {**service.spec, "Labels": {"a": "b"}}
    ended = update(manager(hosts), service, labelled, doing="labelling it")
    assert ended.outcome == Completed(2)
    assert ended.seen is not None
    assert ended.seen.update is None
    assert {task["ID"] for task in running(hosts, service.id)} == before
    again = update(manager(hosts), ended.seen, labelled, doing="labelling it")
    assert again.done
    assert read(hosts, service.id).version == ended.seen.version, "nothing was sent"


def test_a_service_without_replicas_is_done_at_once(hosts: Hosts) -> None:
    old, new = (makes(hosts, "secret", f"db_v{n}", f"value {n}") for n in (1, 2))
    service = create(hosts, spec(replicas=0, container={"Secrets": [used(old, "db_v1")]}))
    of = with_references(service.spec, "secret", {old: (new, "db_v2")})
    begun = time.monotonic()
    ended = update(manager(hosts), service, of, doing="flipping it")
    assert ended.outcome == Completed(0)
    assert time.monotonic() - begun < 5
    assert ended.seen is not None
    assert (ended.seen.update, ended.seen.references[0].name) == (None, "db_v2")
    assert put_back(manager(hosts), ended.seen, service.spec).outcome == Completed(0)
    assert read(hosts, service.id).references[0].name == "db_v1"


def test_one_on_each_node(hosts: Hosts) -> None:
    each = {**spec(), "Mode": {"Global": {}}}
    service = create(hosts, each)
    good = changed(service, lambda one: one.update(Env=["A=b"]))
    ended = update(manager(hosts), service, good, doing="changing it")
    assert ended.outcome == Completed(2), ended.sentence()
    service = read(hosts, service.id)
    bad = changed(service, lambda one: one.update(Command=["sh", "-c", "exit 4"]))
    assert cause(fails(hosts, service, bad))[:2] == ("paused", "crash")


def test_a_job_runs_again_with_each_update(hosts: Hosts) -> None:
    job = spec("exit 0")
    job["Mode"] = {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 2}}
    job["TaskTemplate"]["RestartPolicy"] = {"Condition": "none"}
    del job["UpdateConfig"], job["RollbackConfig"]
    service = create(hosts, job)
    assert (service.is_job, service.iteration) == (True, 0)
    again = changed(service, lambda one: one.update(Env=["A=b"]))
    ended = update(manager(hosts), service, again, doing="changing it")
    assert ended.done, ended.sentence()
    assert ended.seen is not None
    assert ended.seen.iteration == 1
    fails = changed(ended.seen, lambda one: one.update(Command=["sh", "-c", "exit 9"]))
    ended = update(manager(hosts), ended.seen, fails, doing="changing it")
    assert cause(ended)[:2] == ("timeout", "crash")


def test_the_login_to_the_registry_stays(hosts: Hosts) -> None:
    """A registry that notes who asks: new tasks pull with the login of the service's creation."""
    for name in HOST_NAMES:
        hosts.run(
            name, f"cat > /root/registry.py; {IN_BACKGROUND} /root/registry.py", text=REGISTRY
        )
        hosts.docker(name, "tag", "busybox", "127.0.0.1:5000/app:1")
    login = {"username": "robot", "password": "s3cret", "serveraddress": "127.0.0.1:5000"}
    body = spec(container={"Image": "127.0.0.1:5000/app:1"})
    header = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
    text = json.dumps(body)
    said = hosts.run(
        "rk1",
        "curl -sS --unix-socket /run/docker.sock -H 'Content-Type: application/json' "
        f"-H 'X-Registry-Auth: {header}' --data-binary @- http://localhost/v1.44/services/create",
        text=text,
    ).stdout
    number = json.loads(said)["ID"]
    assert await_update(manager(hosts), read(hosts, number), 0).done
    expected = "Basic " + base64.b64encode(b"robot:s3cret").decode()
    assert expected in logins(hosts)
    service = read(hosts, number)
    good = changed(service, lambda one: one.update(Env=["A=b"]))
    assert update(manager(hosts), service, good, doing="changing it").done
    assert expected in logins(hosts)
    service = read(hosts, number)
    bad = changed(service, lambda one: one.update(Command=["sh", "-c", "exit 4"]))
    fails(hosts, service, bad)
    logins(hosts)
    service = read(hosts, number)
    good = changed(service, lambda one: one.update(Env=["A=c"]))
    assert update(manager(hosts), service, good, doing="changing it").done
    assert expected in logins(hosts), "putting back has kept it, too"


IN_BACKGROUND = "setsid python3 >/dev/null 2>&1 </dev/null"
REGISTRY = """\
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
if os.fork(): os._exit(0)
class Registry(BaseHTTPRequestHandler):
    def do_GET(self):
        login = self.headers.get("Authorization", "")
        with open("/root/logins", "a") as file: file.write(login + "\\n")
        self.send_response(404 if login else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="here"')
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = do_GET
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", 5000), Registry).serve_forever()
"""


def logins(hosts: Hosts) -> list[str]:
    """Who has pulled since it was asked last."""
    said = [hosts.run(name, "cat /root/logins; rm -f /root/logins").stdout for name in HOST_NAMES]
    return "".join(said).splitlines()


# It fails
# --------


def test_an_image_that_is_not_there(hosts: Hosts) -> None:
    service = create(hosts, spec())
    ended = fails(hosts, service, changed(service, lambda one: one.update(Image="nowhere:1")))
    by, kind, words = cause(ended)
    assert (by, kind) == ("paused", "image")
    assert "its image cannot be had: “" in words
    assert "(node rk" in words
    assert ended.sentence().endswith("It was put back to what it was before")


def test_a_program_that_exits_with_its_last_lines(hosts: Hosts) -> None:
    service = create(hosts, spec())
    program = (
        "for n in 1 2 3 4 5 6; do echo line $n; done; printf '\\033[2Jdb: wrong password\\n'; "
        "printf '%01000d\\n' 7; sleep 0.3; exit 3"
    )
    bad = changed(service, lambda one: one.update(Command=["sh", "-c", program]))
    ended = fails(hosts, service, bad)
    by, kind, words = cause(ended)
    assert (by, kind) == ("paused", "crash")
    assert "its program ended with exit code 3 (node rk" in words
    assert "“\\x1b[2Jdb: wrong password”" in words
    assert "“line 6”" in words
    assert "“line 3”" not in words
    assert "… (shortened)" in words
    assert "\x1b" not in words
    assert len(words) < 1000
    assert "hunter2" not in ended.sentence()


def test_a_program_that_ends_well_is_a_failure_too(hosts: Hosts) -> None:
    service = create(hosts, spec())
    bad = changed(service, lambda one: one.update(Command=["sh", "-c", "echo done"]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "crash")
    assert "exit code 0 (a service's program has to go on)" in words
    assert "“done”" in words


def test_a_program_that_is_not_in_the_image(hosts: Hosts) -> None:
    service = create(hosts, spec())
    bad = changed(service, lambda one: one.update(Command=["no-such-program"]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "start")
    assert "its program cannot be begun" in words
    assert "no-such-program" in words


def test_a_health_check_that_fails(hosts: Hosts) -> None:
    service = create(hosts, spec())
    check = {"Test": ["CMD", "false"], "Interval": SECOND // 5, "Retries": 2}
    talks = f"echo listening on 127.0.0.1; {GOES_ON}"
    bad = changed(service, lambda one: one.update(Healthcheck=check, Command=["sh", "-c", talks]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "health")
    assert "its health check failed, so the engine stopped it" in words
    assert "“listening on 127.0.0.1”" in words


def test_no_node_that_fits(hosts: Hosts) -> None:
    service = create(hosts, spec())
    of = copy.deepcopy(dict(service.spec))
    of["TaskTemplate"]["Placement"] = {"Constraints": ["node.labels.kind==nowhere"]}
    by, kind, words = cause(fails(hosts, service, of))
    assert (by, kind) == ("timeout", "placement")
    assert "no node may run it: “no suitable node (scheduling constraints not satisfied" in words


def test_a_path_to_mount_that_is_missing(hosts: Hosts) -> None:
    service = create(hosts, spec())
    mounts = [{"Type": "bind", "Source": "/srv/not there", "Target": "/data"}]
    bad = changed(service, lambda one: one.update(Mounts=mounts))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "mount")
    assert "the path /srv/not there that it mounts does not exist on the node" in words


def test_a_port_of_the_node_that_another_service_has(hosts: Hosts) -> None:
    other = spec()
    other |= {"Name": "other", "EndpointSpec": {"Ports": [host_port(8080)]}}
    create(hosts, other)
    service = create(hosts, spec())
    of = {**service.spec, "EndpointSpec": {"Ports": [host_port(8080)]}}
    by, kind, words = cause(fails(hosts, service, of))
    assert (by, kind) == ("timeout", "port")
    assert "host-mode port already in use" in words


def test_a_port_of_the_node_that_another_program_has(hosts: Hosts) -> None:
    serve = "import os, http.server as h\nif os.fork(): os._exit(0)\n"
    serve += "h.HTTPServer(('', 8081), h.SimpleHTTPRequestHandler).serve_forever()"
    for name in HOST_NAMES:
        hosts.run(name, f'{IN_BACKGROUND} -c "{serve}"')
    service = create(hosts, spec())
    of = {**service.spec, "EndpointSpec": {"Ports": [host_port(8081)]}}
    by, kind, words = cause(fails(hosts, service, of))
    assert (by, kind) == ("paused", "port")
    assert "a port that it publishes on the node is in use there" in words


def host_port(number: int) -> dict[str, Any]:
    return {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": number, "PublishMode": "host"}


def test_what_the_engine_refuses_changes_nothing(hosts: Hosts) -> None:
    service = create(hosts, spec())
    of = with_references(
        changed(service, lambda one: one.update(Secrets=[used("x" * 25, "gone_v1")])), "secret", {}
    )
    ended = update(manager(hosts), service, of, doing="changing it")
    assert isinstance(ended.outcome, NotBegun)
    assert not ended.overtaken
    assert "gone_v1" in ended.outcome.problem
    assert read(hosts, service.id).version == service.version


# What the service asks for where an update fails
# -----------------------------------------------

CRASHES = ["sh", "-c", "echo giving up; sleep 0.1; exit 5"]


def with_action(action: str, **more: Any) -> dict[str, Any]:
    how = {"Parallelism": 1, "Monitor": SECOND, "FailureAction": action, **more}
    return spec(UpdateConfig=how)


def test_rolled_back_by_the_managers_is_no_success(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, with_action("rollback"))
    bad = changed(service, lambda one: one.update(Command=CRASHES))
    ended = fails(hosts, service, bad)
    by, kind, words = cause(ended)
    assert (by, kind) == ("rolled back", "crash")
    assert "exit code 5" in words
    assert "“giving up”" in words
    assert ended.back is None
    assert ended.seen is not None
    assert ended.seen.update is not None
    assert ended.seen.update.state == "rollback_completed"
    assert ended.sentence().endswith("It has what it had before")


def test_an_update_that_goes_on_over_failing_tasks_is_no_success(hosts: Hosts) -> None:
    """The managers call it completed; the tasks fail over and over."""
    service = create(hosts, with_action("continue"))
    bad = changed(service, lambda one: one.update(Command=CRASHES))
    ended = fails(hosts, service, bad)
    by, kind, _ = cause(ended)
    assert (by, kind) == ("timeout", "crash")


def test_start_first_never_stops_what_runs_for_what_does_not(hosts: Hosts) -> None:
    service = create(hosts, with_action("pause", Order="start-first"))
    before = {task["ID"] for task in running(hosts, service.id)}
    bad = changed(service, lambda one: one.update(Image="nowhere:1"))
    assert cause(fails(hosts, service, bad))[:2] == ("paused", "image")
    assert {task["ID"] for task in running(hosts, service.id)} == before


# Others
# ------


def test_who_has_an_old_version_changes_nothing(hosts: Hosts) -> None:
    service = create(hosts, spec())
    hosts.docker("rk1", "service", "update", "--detach", "--label-add", "a=b", "web")
    until(lambda: read(hosts, service.id).version > service.version, "the other's update")
    good = changed(service, lambda one: one.update(Env=["A=b"]))
    ended = update(manager(hosts), service, good, doing="changing it")
    assert isinstance(ended.outcome, NotBegun)
    assert ended.overtaken
    assert read(hosts, service.id).spec["Labels"] == {"a": "b"}


def test_somebody_elses_update_in_the_middle_is_left_alone(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, spec())
    slow = changed(service, lambda one: one.update(Env=["A=b"]))
    slow["UpdateConfig"] |= {"Delay": 10 * SECOND}

    def other() -> None:
        until(lambda: any("new task" in line for line in told), "the update to begin")
        hosts.docker(
            *("rk1", "service", "update", "--detach", "--no-resolve-image"),
            *("--env-add", "A=theirs", "web"),
        )

    meanwhile = threading.Thread(target=other)
    meanwhile.start()
    ended = update(manager(hosts), service, slow, doing="changing it")
    meanwhile.join()
    assert cause(ended)[0] == "superseded"
    assert ended.overtaken
    assert "A=theirs" in read(hosts, service.id).spec["TaskTemplate"]["ContainerSpec"]["Env"]


def test_a_rollback_by_hand_is_no_success(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, spec())
    slow = changed(service, lambda one: one.update(Env=["A=b"]))
    slow["UpdateConfig"] |= {"Delay": 10 * SECOND}

    def other() -> None:
        until(lambda: any("new task" in line for line in told), "the update to begin")
        hosts.docker("rk1", "service", "rollback", "--detach", "web")

    meanwhile = threading.Thread(target=other)
    meanwhile.start()
    ended = update(manager(hosts), service, slow, doing="changing it")
    meanwhile.join()
    assert cause(ended)[0] == "rolled back"
    assert verdict.same_spec(read(hosts, service.id).spec, service.spec)


def test_what_an_ended_run_has_begun_is_awaited(hosts: Hosts) -> None:
    service = create(hosts, spec())
    good = changed(service, lambda one: one.update(Env=["A=b"]))
    hosts.api("rk1", f"/services/{service.id}/update?version={service.version}", good)
    ended = await_update(manager(hosts), read(hosts, service.id), service.version)
    assert ended.outcome == Completed(2)
    service = read(hosts, service.id)
    bad = changed(service, lambda one: one.update(Command=CRASHES))
    hosts.api("rk1", f"/services/{service.id}/update?version={service.version}", bad)
    ended = await_update(manager(hosts), read(hosts, service.id), service.version)
    assert cause(ended)[:2] == ("paused", "crash")
    assert ended.seen is not None
    assert ended.seen.previous is not None
    back = put_back(manager(hosts), ended.seen, ended.seen.previous)
    assert back.outcome == Completed(2)
    assert verdict.same_spec(read(hosts, service.id).spec, service.spec)


def test_a_new_service_that_does_not_come_up_is_told_with_its_cause(hosts: Hosts) -> None:
    number = hosts.api("rk1", "/services/create", spec("echo no database; exit 6"))["ID"]
    ended = await_update(manager(hosts), read(hosts, number), 0)
    by, kind, words = cause(ended)
    assert (by, kind) == ("timeout", "crash")
    assert "“no database”" in words


def test_a_service_that_is_removed_meanwhile(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, spec())
    slow = changed(service, lambda one: one.update(Env=["A=b"]))
    slow["UpdateConfig"] |= {"Delay": 10 * SECOND}
    told.clear()

    def other() -> None:
        until(lambda: any("new task" in line for line in told), "the update to begin")
        hosts.docker("rk1", "service", "rm", "web")

    meanwhile = threading.Thread(target=other)
    meanwhile.start()
    ended = update(manager(hosts), service, slow, doing="changing it")
    meanwhile.join()
    assert cause(ended)[0] == "superseded"


# In a run
# --------


def test_nothing_that_a_service_holds_is_shown_by_a_run(hosts: Hosts) -> None:
    service = create(hosts, spec())
    hosts.settings(["rk1"], ["rk2"])
    deploy = str(Path(__file__).parent / "deploys/update_service.py")
    env = {"SERVICE": service.id, "COMMAND": "echo giving up; exit 3"}
    run = hosts.pyinfra("-y", "-vvv", "--debug", "inventory.py", deploy, env=env)
    assert run.returncode == 1
    assert "service web: the managers have paused the update: its program ended with" in run.output
    assert "“giving up”. It was put back to what it was before" in run.output
    assert verdict.same_spec(read(hosts, service.id).spec, service.spec)
    assert "hunter2" not in run.output
    for word in re.findall(r"[A-Za-z0-9+/]{40,}", run.output):
        assert b"hunter2" not in base64.b64decode(word[: len(word) // 4 * 4])
