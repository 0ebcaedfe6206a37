"""Orders to the running lab, one a connection: a line of JSON, answered by one."""

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Any

from lab import places
from lab.errors import LabError


class Control(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Takes orders, and has each of them carried out.

    obey: carries out an order; its `LabError` is the answer where it cannot be.
    """

    daemon_threads = True

    def __init__(self, obey: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.obey = obey
        super().__init__(str(places.control_socket()), _Order)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take no more orders."""
        self.shutdown()
        self.server_close()


class _Order(socketserver.StreamRequestHandler):
    server: Control

    def handle(self) -> None:
        try:
            answer: dict[str, Any] = {"done": self.server.obey(json.loads(self.rfile.readline()))}
        except LabError as error:
            answer = {"error": str(error)}
        with contextlib.suppress(OSError):
            self.wfile.write(json.dumps(answer).encode() + b"\n")


def give_order(order: str, timeout: float | None = None, **arguments: Any) -> dict[str, Any]:
    """Have the running lab's supervisor do something and return its answer.

    Raises LabError when there is no lab, or it could not do it.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    with connection:
        try:
            connection.connect(str(places.control_socket()))
        except OSError as error:
            raise LabError(
                "no lab is up on this machine: `pyinfra-swarm lab up` starts one"
            ) from error
        try:
            connection.sendall(json.dumps({"order": order, **arguments}).encode() + b"\n")
            with connection.makefile() as answers:
                line = answers.readline()
        except TimeoutError as error:
            raise LabError(
                f"the lab's supervisor has not answered for {timeout:.0f} s; what it does is in"
                f" {places.state() / 'supervisor.log'}"
            ) from error
        except ConnectionError:
            line = ""
    if not line:
        raise LabError(
            "the lab's supervisor went away while it was asked; see `pyinfra-swarm lab status`"
        )
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise LabError(answer["error"])
    done: dict[str, Any] = answer["done"]
    return done
