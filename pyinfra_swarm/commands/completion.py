"""``pyinfra-swarm completion``: what a shell has to know to complete these commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "pyinfra-swarm"
VARIABLE = "_PYINFRA_SWARM_COMPLETE"


@click.command(
    "completion",
    short_help="print what bash, zsh or fish completes them with",
    help="""Print what a shell completes these commands with: hosts, deploys, options.

    \b
    bash, in ~/.bashrc:            eval "$(pyinfra-swarm completion bash)"
    zsh, in ~/.zshrc, after compinit:
                                   eval "$(pyinfra-swarm completion zsh)"
    fish, in ~/.config/fish/config.fish:
                                   pyinfra-swarm completion fish | source
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
    return 0
