"""What a host says about Docker: the installation, the engine, and its networks.

Every fact answers explicitly on a host without Docker, and none of them starts a stopped engine
(connecting to ``docker.sock`` would, by socket activation).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.docker.openpgp import LONGEST
from pyinfra_swarm.docker.paths import DAEMON_JSON, KEYRING, LOADED_JSON, SOURCES, UNIT_DROP_IN
from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.engine.network import attached, encrypted, subnets
from pyinfra_swarm.host.packages import PACKAGE_ROWS
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact, plain_files
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.units import UNITS

_INSTALLATION = program(
    __file__,
    "installation.sh",
    using=[
        "export LC_ALL=C\n",
        UNITS,
        plain_files("/etc/os-release", "/etc/group"),
        PACKAGE_ROWS,
    ],
    packages=" ".join(PACKAGES),
    sources=SOURCES,
    keyring=KEYRING,
    daemon=DAEMON_JSON,
    loaded=LOADED_JSON,
    drop_in=UNIT_DROP_IN,
)


class Installation(SubjectFact[Engine]):
    """Docker's packages, repository, configuration and service on this host.

    Gives a :class:`docker.installation.Engine`. Its ``daemon.json`` may hold a password, as of a
    proxy.
    """

    unprinted = True

    def script(self) -> str:
        return _INSTALLATION

    def parse(self, said: Sections) -> Engine:
        return parse_installation(said)


def parse_installation(found: Sections) -> Engine:
    """Read what :class:`Installation` prints."""
    try:
        distribution, codename, architecture = found["os"][0].split()
    except ValueError:
        raise ValueError("/etc/os-release does not say which system this is") from None
    packages: dict[str, Package] = {}
    for line in found.get("packages", []):
        words = line.split()
        if len(words) != 4:
            continue  # known to dpkg only, as after an interrupted installation: no version
        name, version, status, want = words
        if status == "installed":
            packages[name] = Package(version=version, held=want == "hold")
    unit = dict(line.split("=", 1) for line in found.get("unit", []) if "=" in line)
    if unit and "ActiveState" not in unit:
        raise ValueError("systemd does not say whether docker.service is active")
    group = found.get("group", [])

    def text(name: str) -> str | None:
        return "\n".join(found[name]) + "\n" if name in found else None

    return Engine(
        distribution=distribution,
        codename=codename,
        architecture=architecture,
        curl=bool(found.get("curl")),
        packages=packages,
        sources=text("sources") or "",
        keyring=text("keyring") or "",
        stale=tuple(found.get("stale", [])),
        shared=tuple(word for line in found.get("shared", []) for word in line.split()),
        daemon_json=text("daemon"),
        loaded_json=text("loaded"),
        drop_in=text("drop-in") or "",
        running=unit.get("ActiveState") == "active",
        enabled=unit.get("UnitFileState") == "enabled",
        reload_needed=unit.get("NeedDaemonReload") == "yes",
        changed_since_start=bool(found.get("changed")),
        forwarding=found.get("forwarding") != ["0"],
        group=tuple(name for name in (group[0].split(",") if group else []) if name),
    )


@dataclass(frozen=True)
class Fetched(Observation):
    """A text fetched by the host, or the reason why it could not be."""

    text: str
    error: str


class PublishedKey(SubjectFact[Fetched]):
    """The key that Docker's repository publishes, as this host can fetch it now.

    url: where; gives a :class:`Fetched`.
    """

    def script(self, url: str) -> str:
        return program(__file__, "published_key.sh", url=url, longest=str(LONGEST))

    def parse(self, said: Sections) -> Fetched:
        return Fetched(
            text="\n".join([*said.get("key", []), ""]), error="\n".join(said.get("error", []))
        )


@dataclass(frozen=True)
class Candidates(Observation):
    """Package versions of ``docker-ce`` that apt can install here, as apt names them."""

    versions: tuple[str, ...]


class Offered(SubjectFact[Candidates]):
    """Which versions of Docker this host's apt can install now. Gives :class:`Candidates`."""

    def script(self) -> str:
        return "section madison; apt-cache madison docker-ce 2>/dev/null || true\n"

    def parse(self, said: Sections) -> Candidates:
        rows = [line.split("|") for line in said["madison"]]
        return Candidates(tuple(dict.fromkeys(row[1].strip() for row in rows if len(row) > 1)))


# For ad-hoc use
# --------------


@dataclass(frozen=True)
class Answer(Observation):
    """An engine's answer: its state, and the answer's content where it runs."""

    engine: str
    content: Any

    def to_json(self) -> dict[str, Any]:
        content = self.content if isinstance(self.content, dict) else {"answer": self.content}
        return {"engine": self.engine, **(content if self.engine == "running" else {})}


class _Api(SubjectFact[Answer]):
    abstract = True
    path: str

    def script(self) -> str:
        return (
            ENGINE_STATE
            + 'state=$(engine_state); section state; echo "$state"\n'
            + '[ "$state" = running ] && '
            + f'{{ section answer; ask "http://localhost{self.path}"; }}; true\n'
        )

    def parse(self, said: Sections) -> Answer:
        state = said["state"][0]
        return Answer(
            state,
            self.shape(json.loads("\n".join(said["answer"]))) if state == "running" else None,
        )

    def shape(self, answer: Any) -> Any:
        """What of the answer is worth showing."""
        return answer


class Info(_Api):
    """What ``docker info`` says: ``{"engine": "running", "ServerVersion": …, "Swarm": …}``.

    Without Docker ``{"engine": "absent"}``, with a stopped engine ``{"engine": "stopped"}``.
    """

    path = "/info"


class IngressNetwork(_Api):
    """What ``docker network inspect ingress`` says, its encryption first.

    ``{"engine": "running", "exists": true, "encrypted": true, "joined": true, "subnets": […], "id":
    …, "options": {…}, "peers": {name: address}}``; ``joined``: this node is attached to it, without
    which published ports do not respond here; ``exists`` is false on a host that is in no swarm, or
    in one without an ingress network.
    """

    path = "/networks/ingress"

    def shape(self, answer: Any) -> Any:
        if not answer.get("Ingress"):
            return {"exists": False}
        return {
            "exists": True,
            "encrypted": encrypted(answer),
            "joined": attached(answer),
            "subnets": subnets(answer),
            "id": answer["Id"],
            "options": answer.get("Options") or {},
            "peers": {peer["Name"]: peer["IP"] for peer in answer.get("Peers") or []},
        }


class OverlayNetworks(_Api):
    """All overlay networks this host knows: name to ``{"encrypted", "ingress", "subnets", "id"}``.

    A manager knows all of the swarm's, a worker those that its tasks use.
    """

    path = "/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D"

    def shape(self, answer: Any) -> Any:
        return {
            network["Name"]: {
                "encrypted": encrypted(network),
                "ingress": bool(network.get("Ingress")),
                "subnets": subnets(network),
                "id": network["Id"],
            }
            for network in answer
        }


class StandaloneContainers(SubjectFact[dict[str, tuple[str, ...]]]):
    """Containers that belong to no service, by the networks they are attached to.

    ``{network id: (container name, …)}``; empty where the engine does not run. What the engine says
    holds their commands and labels.
    """

    unprinted = True

    def script(self) -> str:
        return (
            ENGINE_STATE
            + "section containers\n"
            + '[ "$(engine_state)" = running ] && ask http://localhost/containers/json; true\n'
        )

    def parse(self, said: Sections) -> dict[str, tuple[str, ...]]:
        text = "\n".join(said["containers"])
        attached: dict[str, tuple[str, ...]] = {}
        for container in json.loads(text) if text else []:
            if "com.docker.swarm.service.id" in (container.get("Labels") or {}):
                continue
            name = container["Names"][0].lstrip("/")
            for network in container["NetworkSettings"]["Networks"].values():
                attached[network["NetworkID"]] = (*attached.get(network["NetworkID"], ()), name)
        return attached
