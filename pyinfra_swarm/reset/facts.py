"""What this project has left on a host."""

from __future__ import annotations

from pyinfra_swarm.docker.installation import PACKAGES
from pyinfra_swarm.host.packages import PACKAGE_ROWS
from pyinfra_swarm.reset.plan import WATCHED, Managed
from pyinfra_swarm.rollback.plan import UNCONFIRMED
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program


class Files(SubjectFact[Managed]):
    """The managed files on this host, and which of Docker's packages are installed and held.

    Gives a :class:`reset.plan.Managed`.
    """

    def script(self) -> str:
        return program(
            __file__,
            "managed.sh",
            using=[PACKAGE_ROWS, UNCONFIRMED],
            files=" ".join(WATCHED),
            packages=" ".join(PACKAGES),
        )

    def parse(self, said: Sections) -> Managed:
        rows = [line.split() for line in said["packages"]]
        there = [row for row in rows if row[1:2] == ["installed"]]
        return Managed(
            files=tuple(said["files"]),
            held=tuple(row[0] for row in there if row[2] == "hold"),
            installed=tuple(row[0] for row in there),
            unconfirmed="unconfirmed" in said,
        )
