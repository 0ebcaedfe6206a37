"""`make demo`: four fresh hosts, the real job on them, and a look at the result from outside.

The cluster stays up afterwards, with the small stack that the demo has put on it. With
``DEMO_KEEP=1`` it works on the lab that is up, instead of starting a fresh one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lab import api, description
from lab.description import Description
from lab.errors import LabError
from pyinfra_swarm.settings.sources import FILE_NAME
from pyinfra_swarm.settings.variables import PATH_VARIABLE
from pyinfra_swarm.ssh.sshd import DROP_IN

ROOT = Path(__file__).resolve().parents[1]
LAB_UP = ("pyinfra-swarm", "lab", "up")
DEPLOY = ("pyinfra", "-y", "inventory.py", "deploys/site.py")
ROTATE = ("pyinfra", "-y", "inventory.py", "deploys/secrets.py")
SERVICE, IMAGE, TASKS = "demo", "lab-web:1", 2
STACK, STACK_FILE = "shop", "scripts/shop.yml"
SECRET, PASSWORD = "shop_password", "DEMO_PASSWORD"
"""The stack's secret, and the variable that holds its value."""
DECLARED = {
    "SWARM_SECRETS": json.dumps([{"name": SECRET, "env": PASSWORD}]),
    "SWARM_STACKS": json.dumps([{"name": STACK, "files": [STACK_FILE]}]),
}
"""What the owner would write into ``cluster.toml``, as variables."""
CAPTURE = 10
"""Seconds of listening on the wire."""


class Refused(Exception):
    """The demo does not begin; why, and what to do."""


class Failed(Exception):
    """The demo cannot go on; what was seen, and what to do."""


def main() -> int:
    """Run the demo; 0 where everything was as promised."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    os.chdir(ROOT)
    try:
        _demo()
    except Refused as reason:
        print(f"demo: {reason}", file=sys.stderr)
        return 1
    except (Failed, LabError) as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
        _what_is_left()
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        _what_is_left()
        return 130
    return 0


def _demo() -> None:
    begun = time.monotonic()
    _must_be_about_the_lab()
    times = {}
    if description.read() is None:
        _title("1. Four fresh hosts, without Docker")
        times["four hosts answer SSH"] = _run(
            ("pyinfra-swarm", "lab", "up"), "The lab did not come up."
        )
    elif not os.environ.get("DEMO_KEEP"):
        raise Refused(
            "a lab is up already, and the demo begins with fresh hosts. Either end it, and all "
            "that is on it:\n    make lab-down && make demo\nor have the demo on it as it is:\n"
            "    make demo DEMO_KEEP=1"
        )
    lab = description.read()
    if lab is None:
        raise Failed("the lab went away as soon as it was up")

    _title("2. The job: a hardened, encrypted swarm on them")
    times["first run of the deploy"] = _run(
        DEPLOY, "The deploy did not finish; its last lines, above, say which host and why."
    )

    _title("3. The result, seen from outside")
    _show_nodes(lab)
    _show_ingress(lab)
    _serve(lab)
    _show_answers_and_the_wire(lab)
    print()
    _run(("pyinfra-swarm", "status"), "The status, above, says what is not well.")

    _title("4. The same deploy again changes nothing")
    times["second run of the deploy"] = _second_run()

    _title("5. A stack with a secret, which is rotated while requests are counted")
    times["a stack, and its secret rotated"] = _rotate(lab)

    _title("Done")
    times["everything"] = time.monotonic() - begun
    _table(([what, f"{seconds:.0f} s"] for what, seconds in times.items()))
    _what_next(lab)


def _must_be_about_the_lab() -> None:
    """The demo never works on somebody's own boards."""
    own = os.environ.get(PATH_VARIABLE) or ((ROOT / FILE_NAME).exists() and FILE_NAME)
    if own:
        away = f"unset {PATH_VARIABLE}" if PATH_VARIABLE in os.environ else f"mv {own} {own}.mine"
        raise Refused(
            f"the settings are those of your own cluster ({own}), and the demo is for the lab "
            f"only. Put them aside for the time being, and start again:\n    {away}"
        )


# The result
# ----------


def _show_nodes(lab: Description) -> None:
    template = (
        "{{.Description.Hostname}}|{{.Spec.Role}}{{if .ManagerStatus}}"
        "{{if .ManagerStatus.Leader}}, leader{{end}}{{end}}|{{.Status.State}}|"
        "{{.Spec.Availability}}|{{.Status.Addr}}|{{.Description.Engine.EngineVersion}}"
    )
    said = api.run(
        lab.hosts[0].name,
        f"docker node inspect $(docker node ls -q) --format '{template}'",
    ).stdout
    rows = sorted(line.split("|") for line in said.splitlines())
    _table([["node", "role", "state", "availability", "address", "Docker"], *rows])
    ready = {row[0] for row in rows if row[2] == "ready"}
    if missing := [host.name for host in lab.hosts if host.name not in ready]:
        raise Failed(f"the deploy went well, and yet {', '.join(missing)} is not a ready node")


def _show_ingress(lab: Description) -> None:
    network = json.loads(api.run(lab.hosts[0].name, "docker network inspect ingress").stdout)[0]
    subnet = network["IPAM"]["Config"][0]["Subnet"]
    encrypted = "encrypted" in (network["Options"] or {})
    print(f"\n  ingress network: {subnet}, {'encrypted' if encrypted else 'NOT ENCRYPTED'}")
    if not encrypted:
        raise Failed("the ingress network is not encrypted")


def _serve(lab: Description) -> None:
    """A small web service, published on port 80 of every node, run by two of them."""
    _say(f'putting the service "{SERVICE}" on the cluster ({TASKS} tasks, port 80) …')
    load = f"curl -fsS {lab.web_image_url} | docker import - {IMAGE} >/dev/null"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: api.run(host.name, load), lab.hosts))
    create = (
        f"docker service rm {SERVICE} >/dev/null 2>&1; docker stack rm {STACK} >/dev/null 2>&1; "
        f"docker service create --quiet --detach --name {SERVICE} --replicas {TASKS} "
        "--publish 80:80 --hostname '{{.Node.Hostname}}' --no-resolve-image "
        f"{IMAGE} {' '.join(lab.web_image_command)} >/dev/null"
    )
    api.run(lab.hosts[0].name, create)
    waiting = [host.address for host in lab.hosts]
    deadline = time.monotonic() + 120
    while waiting := [address for address in waiting if _ask(address) is None]:
        if time.monotonic() > deadline:
            raise Failed(
                f"the service does not answer at {', '.join(waiting)} after two minutes: "
                f"`pyinfra-swarm lab ssh {lab.hosts[0].name} docker service ps {SERVICE}` shows "
                "its tasks"
            )
        time.sleep(1)


def _ask(address: str, client: str = "cloudflare") -> str | None:
    """The node whose task answers a client who asks at this address; None for no answer."""
    url = f"http://{address}/cgi-bin/hostname"
    done = api.in_namespace(client, ["curl", "-fsS", "--max-time", "5", url])
    return done.stdout.strip() or None if done.returncode == 0 else None


def _show_answers_and_the_wire(lab: Description) -> None:
    visitor = lab.clients["cloudflare"].address
    _say(f"a visitor ({visitor}) asks every node, while we listen on the wire for {CAPTURE} s …")
    listen = ["timeout", str(CAPTURE), "tcpdump", "-lni", lab.bridge, "esp or udp port 4789"]
    answers: dict[str, Counter[str]] = {host.name: Counter() for host in lab.hosts}
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(api.in_namespace, "lab", listen)
        time.sleep(1)  # until it listens
        end = time.monotonic() + CAPTURE - 2
        while time.monotonic() < end:
            for host in lab.hosts:
                answers[host.name][_ask(host.address) or "no answer"] += 1
        capture = heard.result().stdout

    print()
    _table([["asked at", "answers", "from the tasks on"], *_answer_rows(lab, answers)])
    stranger = lab.clients["stranger"].address
    with ThreadPoolExecutor() as pool:
        got = list(pool.map(lambda host: _ask(host.address, "stranger"), lab.hosts))
    if any(got):
        raise Failed(f"{stranger} got an answer, and is none of Cloudflare's addresses")
    print(
        f"\n  a stranger ({stranger}), who does not come through Cloudflare, got no answer anywhere"
    )
    names = {host.address: host.name for host in lab.hosts}
    encrypted, clear = packets(capture, names)
    print()
    _table(
        [
            ["on the wire between", "encrypted (ESP)", "in clear text (VXLAN)"],
            *(
                [f"{one} and {other}", str(encrypted[one, other]), str(clear[one, other])]
                for one, other in sorted({*encrypted, *clear})
            ),
            ["all together", str(encrypted.total()), str(clear.total())],
        ]
    )
    if any("no answer" in counts for counts in answers.values()):
        raise Failed("not every request was answered")
    if clear or not encrypted:
        raise Failed("the traffic between the nodes is not, or not all of it, encrypted")


def _answer_rows(lab: Description, answers: Mapping[str, Counter[str]]) -> Iterable[list[str]]:
    for host in lab.hosts:
        counts = answers[host.name]
        tasks = ", ".join(f"{name} ({number})" for name, number in sorted(counts.items()))
        yield [f"{host.name} ({host.address})", str(counts.total()), tasks]


def packets(
    capture: str, names: Mapping[str, str]
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Count what tcpdump has printed, by pair of hosts: encrypted packets, and clear VXLAN."""
    encrypted: Counter[tuple[str, str]] = Counter()
    clear: Counter[tuple[str, str]] = Counter()
    address = r"(\d+\.\d+\.\d+\.\d+)"
    for line in capture.splitlines():
        if match := re.search(rf"IP {address}(?:\.\d+)? > {address}(?:\.\d+)?: (ESP)?", line):
            one, other = sorted(names.get(found, found) for found in match.group(1, 2))
            (encrypted if match[3] else clear)[one, other] += 1
    return encrypted, clear


def _second_run() -> float:
    with tempfile.TemporaryDirectory() as folder:
        reasons = Path(folder, "reasons")
        took = _run(DEPLOY, "The second run failed.", {"SWARM_REASONS": str(reasons)})
        told = reasons.read_text(encoding="utf-8").splitlines() if reasons.exists() else []
    changes = [entry for entry in map(json.loads, told) if entry["kind"] == "change"]
    if changes:
        named = "\n".join(f"    {c['host']}: {c['what']}: {c['reason']}" for c in changes)
        raise Failed(f"the second run still found something to change:\n{named}")
    return took


# The stack
# ---------


def _rotate(lab: Description) -> float:
    """A stack in place of the service; its secret gets another value while a visitor asks."""
    begun = time.monotonic()
    first = lab.hosts[0].name
    api.run(first, f"docker service rm {SERVICE} >/dev/null")
    for name, value in DECLARED.items():
        print(f"$ export {name}='{value}'")
    _declare("the first password")
    _run(DEPLOY, "The stack was not deployed.", DECLARED)
    before = _given(lab)
    with _counted(lab) as counts:
        _declare("the second password")
        _run(ROTATE, "The secret was not rotated.", DECLARED)
    after = _given(lab)
    print()
    _table(
        [
            ["requests to", "answered", "lost"],
            *([h.name, str(counts[h.name, True]), str(counts[h.name, False])] for h in lab.hosts),
        ]
    )
    versions = api.run(first, f"docker secret ls --filter name={SECRET}_v --format '{{{{.Name}}}}'")
    print(f"\n  the tasks were given a value with the digest {before}, now one with {after}")
    print(f"  versions that are kept: {', '.join(sorted(versions.stdout.split()))}")
    if after == before:
        raise Failed("the tasks are still given the value of before")
    if lost := sum(counts[host.name, False] for host in lab.hosts):
        raise Failed(f"{lost} requests were lost while the secret was rotated")
    return time.monotonic() - begun


def _declare(password: str) -> None:
    print(f"$ export {PASSWORD}='{password}'")
    os.environ[PASSWORD] = password


def _given(lab: Description) -> str:
    """The digest of what the stack's tasks were given, asked through every node."""
    asked = [f"http://{host.address}/cgi-bin/secrets" for host in lab.hosts]
    deadline = time.monotonic() + 60
    while True:
        done = [api.in_namespace("cloudflare", ["curl", "-fsS", "-m", "5", url]) for url in asked]
        told = {one.stdout.partition(" ")[0][:12] for one in done if one.returncode == 0}
        if len(told) == 1 and all(one.returncode == 0 for one in done):
            return f"{told.pop()}…"
        if time.monotonic() > deadline:
            raise Failed(
                f"the stack does not answer with one value at every node, but with {sorted(told)}: "
                f"`pyinfra-swarm lab ssh {lab.hosts[0].name} docker stack ps {STACK}` shows its "
                "tasks"
            )
        time.sleep(1)


@contextmanager
def _counted(lab: Description) -> Iterator[Counter[tuple[str, bool]]]:
    """A visitor who asks every node in turn; by node and whether there was an answer."""
    counts: Counter[tuple[str, bool]] = Counter()
    leaves = threading.Event()

    def visit() -> None:
        while not leaves.wait(0.1):
            for host in lab.hosts:
                counts[host.name, _ask(host.address) is not None] += 1

    with ThreadPoolExecutor(1) as pool:
        visiting = pool.submit(visit)
        try:
            yield counts
        finally:
            leaves.set()
        visiting.result()


def _what_next(lab: Description) -> None:
    first, last = lab.hosts[0].name, lab.hosts[-1].name
    print("\nThe cluster and its stack stay up, for you to play. What to type next:\n")
    activate = Path(sys.executable).with_name("activate")
    ready = str(activate.parent) in os.environ.get("PATH", "").split(os.pathsep)
    if not ready:
        print(f"  . {os.path.relpath(activate, ROOT)}    (once in this shell)\n")
    _table(
        [
            [f"pyinfra-swarm lab ssh {first}", "log in; there: docker node ls"],
            ["pyinfra inventory.py fact facts.swarm.Nodes", "ask all hosts something"],
            [f"pyinfra-swarm lab ssh {last} sudo rm {DROP_IN}", "break something, then:"],
            ["pyinfra inventory.py deploys/site.py --dry", "what differs, and why"],
            ["pyinfra inventory.py deploys/site.py", "fix it"],
            [
                f"pyinfra inventory.py deploys/stacks.py --data remove={STACK}",
                "remove the demo's stack",
            ],
            ["make lab-down", "end it all"],
        ]
    )


def _what_is_left() -> None:
    """After a failure or Ctrl-C: what there is now, and what can be done with it."""
    if description.read() is None:
        print("No lab is up; nothing is left behind.", file=sys.stderr)
        return
    print(
        "The lab is up, with whatever has been done on its hosts so far.\n"
        "    make demo DEMO_KEEP=1    goes on with it\n"
        "    make lab-down            ends it",
        file=sys.stderr,
    )


# Running and printing
# --------------------


def _run(command: Sequence[str], failure: str, more: Mapping[str, str] | None = None) -> float:
    """Run a command as a user would, its output straight to the terminal; the seconds it took."""
    print(f"$ {' '.join(command)}", flush=True)
    program, *arguments = command
    begun = time.monotonic()
    # A process group of its own: Ctrl-C reaches it once, from here, and it is waited for.
    process = subprocess.Popen(
        [*_program(program), *arguments],
        env={**os.environ, **(more or {})},
        stdin=subprocess.DEVNULL,
        process_group=0,
    )
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
            print(f"\ndemo: ending {program} …", file=sys.stderr, flush=True)
            process.send_signal(signal.SIGINT)
    if interrupted:
        raise KeyboardInterrupt
    if code != 0:
        raise Failed(failure)
    return time.monotonic() - begun


def _program(name: str) -> list[str]:
    beside = Path(sys.executable).with_name(name)
    return [str(beside)] if beside.exists() else [sys.executable, "-m", name]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _title(text: str) -> None:
    print(f"\n━━ {text} {'━' * (76 - len(text))}\n", flush=True)


def _say(text: str) -> None:
    print(f"\n  {text}", flush=True)


def _table(rows: Iterable[Sequence[str]]) -> None:
    lines = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  " + "   ".join(cells).rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
