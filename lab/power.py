"""The power switches of a lab's hosts."""

import threading
import time

from lab import machine
from lab.commands import Recorded
from lab.ledger import Ledger
from lab.log import note

EARLY_END, EARLY_ENDS = 5.0, 3
"""A host that ends this soon after its start, this often in a row, is not started again."""


class Host:
    """A machine and the hand at its power switch."""

    def __init__(self, one: machine.Machine, ledger: Ledger) -> None:
        self.machine = one
        self.stays_off = True
        self.problem = ""
        self._ledger = ledger
        self._switch = threading.RLock()
        self._since = 0.0
        self._early = 0

    @property
    def name(self) -> str:
        """Its hostname."""
        return self.machine.node.name

    def on(self) -> None:
        """Switch it on, unless it is, and keep it on."""
        with self._switch:
            self.stays_off = False
            self.problem = ""
            self._early = 0
            if not self.machine.is_on:
                self._start()

    def off(self) -> None:
        """Pull the plug."""
        with self._switch:
            self.stays_off = True
            self.machine.cut_power()

    def flash(self) -> None:
        """Pull the plug and put a fresh image in."""
        with self._switch:
            self.off()
            self.machine.wipe()

    def _start(self) -> None:
        self.machine.switch_on()
        self._since = time.monotonic()
        recorded = self.machine.recorded
        assert recorded is not None
        self._ledger.note(self.name, recorded, self.machine.program)
        threading.Thread(target=self._watch, args=(recorded,), daemon=True).start()

    def _watch(self, recorded: Recorded) -> None:
        """Wait for its end, and give it power again if a real board would come back."""
        self.machine.wait()
        with self._switch:
            if self.stays_off or self.machine.recorded != recorded:
                return
            self.machine.cut_power()
            early = time.monotonic() - self._since < EARLY_END
            self._early = self._early + 1 if early else 0
            if not self.machine.wants_power():
                note(f"{self.name} powered itself off")
                self.stays_off = True
            elif self._early >= EARLY_ENDS:
                self.problem = f"ended {self._early} times right after its start"
                self.stays_off = True
                note(f"{self.name} {self.problem}:\n{machine.last_lines(self.name)}")
            else:
                note(f"{self.name} restarts")
                self._start()
