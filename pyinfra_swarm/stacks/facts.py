"""What a manager says about stacks: our records of them, and the services as they are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.services.listing import cannot_list, listed
from pyinfra_swarm.services.service import parse_services
from pyinfra_swarm.settings.labels import STACK
from pyinfra_swarm.stacks import seen
from pyinfra_swarm.stacks.record import INPUTS, Record, stack_and_version, unpack


class Stacks(SubjectFact[seen.Stacks]):
    """The records of deployed stacks, and all services, as this manager lists them.

    Gives a :class:`stacks.seen.Stacks`; empty, with the reason, where this host lists none. It
    shows nothing of what services and records hold (environment variables, labels).
    """

    unprinted = True

    def script(self) -> str:
        return program(__file__, "stacks.sh", using=[ENGINE_STATE])

    def parse(self, said: Sections) -> seen.Stacks:
        return parse_stacks(said)


def parse_stacks(said: Sections) -> seen.Stacks:
    """Read what :class:`Stacks` prints. Raises ``ValueError`` where that is none of an engine's."""
    if problem := cannot_list(said, "services", "records"):
        return seen.Stacks(problem=problem)
    return seen.Stacks(
        records=tuple(map(_record, listed("\n".join(said["records"])))),
        services=parse_services("\n".join(said["services"])),
    )


def _record(entry: Mapping[str, Any]) -> Record:
    spec = entry["Spec"]
    labels = spec.get("Labels") or {}
    said = stack_and_version(str(spec["Name"]))
    stack = str(labels.get(STACK, ""))
    version = said[1] if said else 0
    kept = Record(
        stack, str(labels.get(INPUTS, "")), "", id=judged.swarm_id(entry["ID"]), version=version
    )
    try:
        if said is None or said[0] != stack:
            raise ValueError("its name is not that of a record of this stack")
        content = unpack(base64.b64decode(spec.get("Data") or "", validate=True))
    except (ValueError, binascii.Error) as error:
        return Record(stack, kept.inputs, "", id=kept.id, version=version, problem=str(error))
    return Record(
        stack,
        str(content.get("inputs", "")),
        str(content.get("engine", "")),
        content["compose"],
        content["services"],
        kept.id,
        version,
    )
