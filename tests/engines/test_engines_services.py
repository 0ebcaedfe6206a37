"""Services of real engines updated and awaited, as they go well, whoever has begun it.

Each test runs with all engine versions that there are. What came of it is looked up at the engines.
"""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.services import verdict
from pyinfra_swarm.services.operations import await_update, put_back, update
from pyinfra_swarm.services.service import parse_services, parse_tasks, references, with_references
from pyinfra_swarm.services.verdict import Completed, made_of
from tests.engines.hosts import EngineError, Hosts
from tests.engines.updates import (
    HOST_NAMES,
    IN_BACKGROUND,
    SECOND,
    cause,
    changed,
    create,
    fails,
    makes,
    manager,
    read,
    running,
    spec,
    until,
    used,
)


@pytest.fixture
def hosts(pair: Hosts) -> Hosts:
    return pair


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


REGISTRY = """\
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
if os.fork(): os._exit(0)
class Registry(BaseHTTPRequestHandler):
    default_request_version = "HTTP/1.0"  # what is no HTTP, as TLS, is answered with a status line
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
