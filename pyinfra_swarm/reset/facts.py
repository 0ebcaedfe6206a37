"""What this project has left on a host."""

from __future__ import annotations

from pyinfra_swarm.docker.installation import PACKAGES
from pyinfra_swarm.host.packages import PACKAGE_ROWS
from pyinfra_swarm.reset.plan import WATCHED, Traces
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact


class Left(SubjectFact[Traces]):
    """Files of ours on this host, and which of Docker's packages are installed and held.

    Gives a :class:`reset.plan.Traces`.
    """

    def script(self) -> str:
        return (
            f"section files; for path in {' '.join(WATCHED)}; do "
            + '[ -e "$path" ] && echo "$path"; done\n'
            + "section packages; "
            + PACKAGE_ROWS
            + "package_rows '${Package} ${db:Status-Status} ${db:Status-Want}' "
            + " ".join(PACKAGES)
        )

    def parse(self, said: Sections) -> Traces:
        rows = [line.split() for line in said["packages"]]
        there = [row for row in rows if row[1:2] == ["installed"]]
        return Traces(
            files=tuple(said["files"]),
            held=tuple(row[0] for row in there if row[2] == "hold"),
            installed=tuple(row[0] for row in there),
        )
