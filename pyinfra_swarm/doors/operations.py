"""Ways to root, and in, that nobody has declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.access.facts import Accounts
from pyinfra_swarm.doors.facts import WaysIn
from pyinfra_swarm.doors.plan import plan
from pyinfra_swarm.firewall import facts as firewall
from pyinfra_swarm.run.converge import Commands, converges, observe, report, this_host
from pyinfra_swarm.ssh.facts import Effective

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("doors")
def named(settings: Settings) -> Commands:
    """Whoever is as good as root, whatever listens, whatever could undo our work: named.

    + settings: the cluster's settings; of them above all ``access``, ``docker`` and ``firewall``

    Never changes anything. What is meant is named in the settings, and is quiet then.

    **Example:**

    .. code:: python

        doors.named(load(), name="Doors: every way to root, and in, is declared")
    """
    me = this_host(settings)
    names = ",".join(admin.name for admin in settings.admins(me))
    report(
        "doors",
        plan(
            settings,
            me,
            observe(WaysIn, admins=names),
            effective=observe(Effective, users=names).effective,
            root=observe(Accounts, users=names).account("root"),
            ssh_ports=observe(firewall.State).ssh_ports or (22,),
        ),
    )
    yield from ()
