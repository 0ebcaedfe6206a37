"""``pyinfra-swarm status``: how the cluster is, on one screen."""

from __future__ import annotations

import json
import os
import sys

import click

from pyinfra_swarm.commands.running import Host


@click.command(
    "status",
    short_help="the nodes, the services, and who reaches their ports",
    help="""Show the nodes, the services and who reaches their ports. Changes nothing.

    It asks the hosts by pyinfra's facts. A host that does not answer hides no other. What differs
    from what is declared, pyinfra-swarm drift says.
    """,
    epilog="""Exit codes: 0 all is well; 2 a node is not ready or not declared, a service lacks
tasks or does not answer at a node, or the quorum is lost; else 1 where a host does not answer, no
manager speaks for the swarm, or the settings cannot be used.""",
)
@click.option("--limit", multiple=True, type=Host(), help="this host, pattern or group; repeatable")
@click.option("--json", "as_json", is_flag=True, help="print it as JSON")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    default=120.0,
    metavar="SECONDS",
    help="give up after so long (default: 120)",
)
@click.option("--verbose", is_flag=True, help="show pyinfra's own log as well")
def command(limit: tuple[str, ...], as_json: bool, timeout: float, verbose: bool) -> int:
    from pyinfra_swarm.run.exit_code import exit_code
    from pyinfra_swarm.run.working_on import tell_project
    from pyinfra_swarm.settings import SettingsError, load, source
    from pyinfra_swarm.status import terminal
    from pyinfra_swarm.status.asking import Unasked, status

    tell_project()
    try:
        settings, where = load(), source().in_full
        found = status(settings, where, limit=limit, timeout=timeout, verbose=verbose)
    except (SettingsError, Unasked) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(terminal.render(found, colour=colour), end="")
    sys.stdout.flush()
    return exit_code(looked=found.heard, differs=found.unwell, complete=found.complete)
