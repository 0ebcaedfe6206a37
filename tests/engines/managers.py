"""A host's manager: what it says of the others, and one for functions of the product that talk to
one without a run of pyinfra."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from tests.engines.hosts import EngineError, Hosts


def in_touch(hosts: Hosts, at: str) -> set[str]:
    """The managers that reach one another, as one of them says; none while nobody leads."""
    with suppress(EngineError, OSError):
        nodes = hosts.nodes(at).items()
        if any(node.leader for _, node in nodes):
            return {name for name, node in nodes if node.reachability == "reachable"}
    return set()


class Manager:
    """Stands for pyinfra's host: what it is to run is run there as root."""

    def __init__(self, hosts: Hosts, name: str) -> None:
        self.hosts, self.name = hosts, name
        self.state = SimpleNamespace(print_input=False)

    def run_shell_command(self, command: Any, **options: Any) -> tuple[bool, Any]:
        """As pyinfra does it: whether it ended well, and what it printed."""
        done = self.hosts.run(
            self.name,
            command.get_raw_value(),
            text=options.get("_stdin"),
            check=False,
            timeout=options["_timeout"],
        )
        said = SimpleNamespace(stdout_lines=done.stdout.splitlines(), stderr=done.stderr)
        return done.returncode == 0, said
