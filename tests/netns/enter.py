"""Sockets in another network namespace: made by a thread that has entered it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

NETWORK = 0x40000000
Made = TypeVar("Made")


def inside(pid: int, make: Callable[[], Made]) -> Made:
    """Call a function in the network namespace of a process; threads that it starts stay there."""
    made: list[Made] = []
    failed: list[BaseException] = []

    def entered() -> None:
        try:
            place = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(place, NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(place)
            made.append(make())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=entered)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
