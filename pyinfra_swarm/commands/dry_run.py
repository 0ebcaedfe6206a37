"""``pyinfra-swarm plan``: what a run would change, and why."""

from __future__ import annotations

from pyinfra_swarm.commands.running import Run

command = Run(
    "plan",
    flags=lambda _: ["--dry"],
    params=[],
    short_help="show what would change, and why; changes nothing",
    help="""Show what would change on the hosts, and why. Changes nothing.

    DEPLOY is a file in deploys/, or its name alone (default: site, the whole job).

    \b
      pyinfra-swarm plan ssh --limit rk1
    is pyinfra --limit rk1 inventory.py deploys/ssh.py --dry
    """,
    epilog="""Exit codes: 0 the plan is complete, whether anything would change or not; 1 a host
could not be asked or was refused, or the settings cannot be used; 130 interrupted. What follows --
is given to pyinfra.""",
)
