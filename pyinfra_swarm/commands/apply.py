"""``pyinfra-swarm apply``: have the hosts as declared."""

from __future__ import annotations

import click

from pyinfra_swarm.commands.running import Run

command = Run(
    "apply",
    flags=lambda yes: ["-y"] if yes else [],
    params=[click.Option(["-y", "--yes"], is_flag=True, help="do not ask before anything changes")],
    short_help="show the plan, ask, and carry it out",
    help="""Show the plan, ask, and carry it out.

    DEPLOY is a file in deploys/, or its name alone (default: site, the whole job). A job that
    destroys something asks for a word in any case.

    \b
      pyinfra-swarm apply remove --data host=rk4
    is pyinfra inventory.py deploys/remove.py --data host=rk4
    """,
    epilog="""Exit codes: 0 all hosts are done; 1 a host is not, or the settings cannot be used; 130
interrupted. The same command again goes on from there. What
follows -- is given to pyinfra.""",
)
