"""The rules: what each is called, and where it is written that the engine behaves so."""

from __future__ import annotations

from dataclasses import dataclass

_CLI = "https://github.com/docker/cli/blob/v29.7.2/"
_MOBY = "https://github.com/moby/moby/blob/v28.5.2/"
_SWARMKIT = "https://github.com/moby/swarmkit/blob/v2.1.2/"
_DOCS = "https://docs.docker.com/"


@dataclass(frozen=True)
class Rule:
    """One rule. title: in a few words; source: where it can be read that it is so."""

    id: str
    title: str
    source: str


READABLE = Rule("S0", "docker refuses the file", f"{_DOCS}reference/compose-file/legacy-versions/")
ENCRYPTED = Rule(
    "S1", "an overlay without encryption", f"{_MOBY}libnetwork/drivers/overlay/ov_network.go"
)
PORTS = Rule("S2", "a published port", f"{_CLI}opts/swarmopts/port.go")
HEALTH = Rule("S3", "a health check", f"{_DOCS}reference/dockerfile/#healthcheck")
UPDATE = Rule("S4", "an update that stops half-way", f"{_SWARMKIT}api/defaults/service.go")
MEMORY = Rule("S5", "no memory limit", f"{_DOCS}engine/containers/resource_constraints/")
IMAGE = Rule(
    "S6",
    "an image that may be another one tomorrow",
    f"{_DOCS}build/building/best-practices/",
)
SECRET = Rule("S7", "a secret in clear text", f"{_DOCS}engine/swarm/secrets/")
SOCKET = Rule("S8", "Docker's socket in a container", f"{_DOCS}engine/security/")
PATH = Rule("S9", "a path that is not there", f"{_MOBY}volume/mounts/validate.go")
IGNORED = Rule("S10", "a key that Swarm ignores", f"{_CLI}cli/compose/types/types.go")
PLATFORM = Rule(
    "S11", "an image that is not for these nodes", f"{_SWARMKIT}manager/scheduler/filter.go"
)
PLACEMENT = Rule(
    "S12", "a placement that does not work", f"{_SWARMKIT}manager/constraint/constraint.go"
)
DEFAULT = Rule(
    "S13", "the default network, without encryption", f"{_CLI}cli/compose/convert/compose.go"
)
REFERENCE = Rule(
    "S14", "a secret or a config that is not there", f"{_CLI}cli/compose/convert/service.go"
)
VARIABLE = Rule("S15", "a variable without a value", f"{_CLI}cli/compose/template/template.go")
COMMENT = Rule("S16", "a comment that silences nothing", "docs/stacks.md")

RULES = {
    rule.id: rule
    for rule in (
        *(READABLE, ENCRYPTED, PORTS, HEALTH, UPDATE, MEMORY, IMAGE, SECRET, SOCKET, PATH),
        *(IGNORED, PLATFORM, PLACEMENT, DEFAULT, REFERENCE, VARIABLE, COMMENT),
    )
}
"""All of them, by id, in their order."""
