"""``pyinfra-swarm wireguard``: computers that come in through WireGuard."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pyinfra_swarm.run.own_process import Ended


@click.group(
    "wireguard",
    short_help="give a computer its way in through WireGuard",
    help="Computers that come in through WireGuard; docs/vpn.md.",
)
def command() -> None:
    """What can be done with them, a command each."""


@command.command(
    "add",
    short_help="make a key pair, and print a client's configuration once",
    help="""Make a key pair for the computer NAME, and print once:

    \b
    - its configuration, on standard output: all that stands there
    - the same as a QR code, for a phone
    - the lines for cluster.toml that let it in; they hold the public key only

    Nothing is stored and nothing is changed. The hosts are asked for their public keys.

    \b
      pyinfra-swarm wireguard add phone
      (umask 077; pyinfra-swarm wireguard add laptop > laptop.conf)
    """,
    epilog="""\b
Exit codes: 0 the configuration is printed; 1 it is not: no host has said its key, or the settings
cannot be used.""",
)
@click.argument("name")
@click.option(
    "--public-key",
    default="",
    metavar="KEY",
    help="the computer has made its key pair: none is made here, and no private key is shown",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    default=120.0,
    metavar="SECONDS",
    help="give up after so long (default: 120)",
)
def add(name: str, public_key: str, timeout: float) -> int:
    """Print it; the exit code."""
    from pydantic import ValidationError

    from pyinfra_swarm.run.own_process import run_pyinfra
    from pyinfra_swarm.run.working_on import tell_project
    from pyinfra_swarm.settings import SettingsError, load
    from pyinfra_swarm.settings.model import Peer
    from pyinfra_swarm.vpn import client

    tell_project()
    try:
        settings = load()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    wireguard = settings.access.wireguard
    if settings.access.vpn != "wireguard":
        raise click.ClickException(
            'WireGuard is not declared\n    instead: access.vpn = "wireguard" first, and a '
            "vpn_address for each host; docs/vpn.md"
        )
    if name in [peer.name for peer in wireguard.peers]:
        raise click.ClickException(
            f"{name} is declared already\n    instead: another name; or take its lines out of "
            "cluster.toml first, which shuts it out"
        )
    address = client.free_address(settings)
    if not address:
        raise click.ClickException(
            f"all addresses of {wireguard.network} are taken\n    instead: a wider "
            "access.wireguard.network"
        )
    pair = client.KeyPair("", public_key) if public_key else client.key_pair()
    try:
        Peer(name=name, public_key=pair.public, address=address)
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False, include_url=False)
        field = "NAME" if "name" in first["loc"] else "--public-key"
        instead = first.get("ctx", {}).get("instead", "")
        raise click.ClickException(f"{field} {first['msg']}\n    instead: {instead}") from None
    ended = run_pyinfra(
        ["--json", "inventory.py", "fact", "facts.vpn.State"],
        host_keys="no" if settings.ssh.strict_host_keys == "no" else "yes",
        timeout=timeout,
        verbose=False,
    )
    keys = client.public_keys(ended.output, wireguard.interface)
    silent = [host.name for host in settings.hosts if host.name not in keys]
    if len(silent) == len(settings.hosts) and (unreached := _unreached(ended, silent)):
        raise click.ClickException(
            f"no host has said its public key\n{unreached}\n"
            "    instead: once they answer, the same again"
        )
    if len(silent) == len(settings.hosts):
        raise click.ClickException(
            "no host has said its public key\n    instead: `pyinfra inventory.py deploys/vpn.py` "
            "makes the keys; `pyinfra inventory.py fact facts.vpn.State` shows them"
        )
    text = client.configuration(settings, name, address, pair.private, keys)
    print(text, end="")
    sys.stdout.flush()
    _beside(text if pair.private else "", client.declaration(name, address, pair.public), silent)
    return 0


def _unreached(ended: Ended, hosts: Sequence[str]) -> str:
    """Why hosts did not answer, those with the same reason in a line; "" where each has."""
    from pyinfra_swarm.run.telling import grouped, named

    reasons = [
        (record["host"], str(record.get("reason", "")))
        for record in ended.records
        if record["kind"] == "failed"
    ]
    return "\n".join(
        f"  {named([host for host, _ in same], hosts)}: {same[0][1]}"
        for same in grouped(reasons, lambda one: one[1])
    )


def _beside(secret: str, declaration: str, silent: list[str]) -> None:
    """What is not the configuration: on standard error. secret: what the QR code says, if any."""
    import segno

    from pyinfra_swarm.run.wording import listed

    print(file=sys.stderr)
    if secret:
        segno.make(secret, error="l", micro=False).terminal(sys.stderr, border=2, compact=True)
        print("\nShown once: it holds the private key, and is kept nowhere.\n", file=sys.stderr)
    print(f"For cluster.toml:\n\n{declaration}", file=sys.stderr)
    if silent:
        print(f"Without {listed(silent)}: no public key was had from there.\n", file=sys.stderr)
    print("Then it is let in by: pyinfra inventory.py deploys/vpn.py", file=sys.stderr)
