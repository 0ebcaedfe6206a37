"""What an engine answers to the facts that ask it, recorded from a swarm of real ones.

    sudo LAB_DOCKER_PACKAGES=FOLDER .venv/bin/python -m tests.tools.engine_answers VERSION

FOLDER holds Docker's own packages of that version, which are offered besides those there are.
``tests/unit/engine/test_engine_answers.py`` holds the facts against what was recorded.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

from pyinfra_swarm.settings.paths import ROOT
from tests.engines.hosts import Hosts
from tests.tools.answers import recorded
from tests.tools.facts_page import ARGUMENTS, facts

FOLDER = ROOT / "tests/unit/fixtures/engines"
ASKED = (
    *("facts.docker.Info", "facts.docker.IngressNetwork", "facts.docker.OverlayNetworks"),
    *("facts.docker.StandaloneContainers", "facts.networks.Attachments", "facts.rolling.Replicas"),
    *("facts.rolling.Running", "facts.secrets.Objects", "facts.stacks.Stacks"),
    *("facts.swarm.Services", "facts.swarm.State", "facts.swarm.StateOnDisk", "facts.swarm.Tasks"),
    *("facts.firewall.State", "facts.firewall.Tables"),
)
OF_A_WORKER = tuple(name for name in ASKED if name != "facts.swarm.Tasks")
STATE = ("facts.swarm.State",)
KERNEL = "6.12.0"
"""In place of this machine's, which the hosts share."""

_SHOWN = """\
set -e
docker network create --driver overlay --attachable --opt encrypted sealed
docker network create --driver overlay clear
label() { printf -- '--label pyinfra-swarm.%s=%s ' name "$1" version "$2" turn "$2"; }
for version in 1 2; do
  printf made-up | docker secret create $(label db_password $version) db_password_v$version -
done
docker service create -q --detach=false --no-resolve-image --name web --mode global \
  --publish 8080:80 --publish mode=host,target=81,published=9000 --network sealed --network clear \
  --secret source=db_password_v1,target=db_password busybox httpd -f -p 80
docker service update -q --secret-rm db_password_v1 \
  --secret-add source=db_password_v2,target=db_password web
docker run -d --name alone --network sealed --publish 7000:80 busybox httpd -f -p 80
"""


def record(hosts: Hosts, name: str, folder: Path, wanted: tuple[str, ...] = ASKED) -> None:
    """Ask a host's engine, and keep its answers in a folder of that state's."""
    folder.mkdir(parents=True, exist_ok=True)
    known = facts()
    for fact in wanted:
        script = str(known[fact]().command(**ARGUMENTS.get(fact, {})))
        said = hosts.run(name, script, check=False).stdout
        said = recorded(said.splitlines()).replace(platform.release(), KERNEL)
        (folder / f"{fact}.txt").write_text(said, encoding="utf-8")


def main(version: str) -> None:
    """Make a swarm of that engine, and record a manager, a worker and what is rarer."""
    folder = FOLDER / version
    with Hosts(4, version=version) as hosts:
        hosts.import_image()
        record(hosts, "rk1", folder / "no-swarm", STATE)
        hosts.form(["rk1", "rk2", "rk3"], ["rk4"])
        record(hosts, "rk1", folder / "ingress-in-clear", ("facts.docker.IngressNetwork",))
        hosts.run(
            "rk1",
            "echo y | docker network rm ingress && sleep 5 && docker network create --ingress "
            "--driver overlay --opt encrypted --subnet 10.201.0.0/24 ingress",
        )
        time.sleep(5)
        hosts.run("rk1", _SHOWN, timeout=300)
        time.sleep(10)
        record(hosts, "rk1", folder / "manager")
        record(hosts, "rk4", folder / "worker", OF_A_WORKER)
        hosts.run("rk1", "docker swarm update --autolock=true")
        hosts.restart("rk3")
        record(hosts, "rk3", folder / "locked", STATE)
        hosts.power_cut("rk2")
        time.sleep(20)
        record(hosts, "rk1", folder / "quorum-lost", STATE)


if __name__ == "__main__":
    main(*sys.argv[1:])
