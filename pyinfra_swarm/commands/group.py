"""What all commands share: their order, a slip's nearest name, words that another parser reads."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from pyinfra_swarm.commands import completing

_MEANT = {
    "help": "--help",
    "int": "init",  # as near to lint, by its letters
    **dict.fromkeys(("deploy", "run", "up", "install"), "plan, then pyinfra-swarm apply"),
}
"""Words of other tools, and slips that letters alone do not tell."""


class Commands(click.Group):
    """Commands in the order in which they were added, as they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        if found is None and not ctx.resilient_parsing:
            from pyinfra_swarm.settings.errors import nearest

            what, right = "is not a command", f"one of {', '.join(self.commands)}"
            deploys = completing.deploy_names()
            if cmd_name in deploys:
                what = "is a deploy, not a command"
                right = f"pyinfra-swarm plan {cmd_name}, then pyinfra-swarm apply {cmd_name}"
            elif meant := _MEANT.get(cmd_name) or nearest(cmd_name, self.commands):
                right = f"pyinfra-swarm {meant}"
            elif meant := nearest(cmd_name, deploys):
                right = f"pyinfra-swarm plan {meant}, then pyinfra-swarm apply {meant}"
            raise click.UsageError(f"{cmd_name} {what}\n    instead: {right}", ctx=ctx)
        return found


class Passed(click.Command):
    """A command whose words another parser reads. click completes them from what that parser says.

    run: gets the words, returns the exit code; parser: what reads them, made when it is needed;
    words: what else may stand first.
    """

    def __init__(
        self,
        name: str,
        *,
        short_help: str,
        run: Callable[[Sequence[str]], int],
        parser: Callable[[], argparse.ArgumentParser | None],
        words: Sequence[str] = (),
    ) -> None:
        super().__init__(name, short_help=short_help, add_help_option=False)
        self._run, self._parser, self._words = run, parser, words

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> int:
        return self._run(ctx.args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        parser = self._parser()
        actions = _actions(parser) if parser else []
        before = ctx.args[-1] if ctx.args else ""
        for action in actions:
            if before in action.option_strings and action.nargs != 0:
                return _values(action, incomplete)
        if incomplete.startswith("-"):
            names = [name for action in actions for name in action.option_strings]
            return completing.items(names, incomplete)
        first = [] if ctx.args else list(self._words)
        found = completing.items(first, incomplete)
        for action in actions:
            if not action.option_strings:
                found += _values(action, incomplete)
        return found


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a parser takes. argparse names it for nobody; every completer of it reads it there."""
    return list(parser._actions)


def _values(action: argparse.Action, incomplete: str) -> list[CompletionItem]:
    """What can stand for an argument, by what its help calls it."""
    if action.choices is not None:
        return completing.items([str(choice) for choice in action.choices], incomplete)
    named: Any = action.metavar
    if named == "HOST":
        return completing.items(completing.host_names(), incomplete)
    if named == "DEPLOY":
        return completing.items(completing.deploy_files(), incomplete)
    return [CompletionItem(incomplete, type="file")] if named == "FILE" else []
