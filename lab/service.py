"""The processes inside the lab's network: the outside world, and the way in to the hosts."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from lab import addresses, network, places
from lab.commands import Recorded, kill_group, record
from lab.ledger import Ledger
from lab.log import note


class Service:
    """A child inside the lab's namespace, started again if it ends by itself.

    name: of its log, too
    program: what its process is recognised by
    command: its command line
    keep: descriptors that it is given
    """

    def __init__(
        self,
        name: str,
        program: str,
        command: Sequence[str],
        ledger: Ledger,
        keep: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._program = program
        self._command = network.inside(addresses.NAMESPACE, command)
        self._ledger = ledger
        self._keep = keep
        self._ending = False
        self._recorded: Recorded | None = None
        self._process = self._start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with (places.state() / f"{self._name}.log").open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self._keep,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            )
        self._recorded = record(process.pid)
        self._ledger.note(self._name, self._recorded, self._program)
        return process

    def _watch(self) -> None:
        while True:
            self._process.wait()
            if self._ending:
                return
            note(f"{self._name} ended with {self._process.returncode}; starting it again")
            time.sleep(1)
            if self._ending:
                return
            self._process = self._start()

    def end(self) -> None:
        """End it for good."""
        self._ending = True
        if self._recorded is not None:
            kill_group(self._recorded, self._program)


def module(name: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package."""
    return [sys.executable, "-m", name, *arguments]
