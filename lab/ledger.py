"""The processes of a lab, written down for whoever has to clean up after a crash."""

import json
import shutil
import threading
from dataclasses import asdict
from pathlib import Path

from lab import network, places
from lab.commands import Recorded, kill_group


class Ledger:
    """The processes that were started, on disk."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Recorded, str]] = {}
        self._lock = threading.Lock()

    def note(self, name: str, process: Recorded, program: str) -> None:
        """Remember a process; `program` is what its command line must name."""
        with self._lock:
            self._known[name] = (process, program)
            unfinished = _path().with_suffix(".new")
            unfinished.write_text(
                json.dumps({key: [asdict(one), what] for key, (one, what) in self._known.items()})
            )
            unfinished.rename(_path())


def _path() -> Path:
    return places.state() / "processes.json"


def remove_leftovers() -> bool:
    """Undo what a lab that crashed left behind. Only the holder of the lock may call it.

    Returns whether there was anything.
    """
    found = places.state().exists()
    try:
        known = json.loads(_path().read_text())
    except (OSError, ValueError):
        known = {}
    for recorded, program in known.values():
        kill_group(Recorded(**recorded), program)
    network.destroy()
    for folder in (places.state(), places.disks()):
        shutil.rmtree(folder, ignore_errors=True)
    return found
