"""A real SSH server on a port of this machine's loopback, without root: paramiko's own."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

USER = "ada"


class Server:
    """Lets in whoever has its key, and runs what is asked for in this machine's shell.

    commands: what it was asked to run, in order.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.key_file = folder / "login"
        self.key = paramiko.ECDSAKey.generate()
        self.key.write_private_key_file(str(self.key_file))
        self.known_hosts = folder / "known_hosts"
        self.environment = environment
        self.commands: list[str] = []
        self._host_key = paramiko.ECDSAKey.generate()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        kind, blob = self._host_key.get_name(), self._host_key.get_base64()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {blob}\n")
        self._open: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def data(self) -> dict[str, object]:
        """What pyinfra's inventory says of it."""
        return {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": self.port,
            "ssh_user": USER,
            "ssh_key": str(self.key_file),
            "ssh_known_hosts_file": str(self.known_hosts),
            "ssh_strict_host_key_checking": "yes",
        }

    def close(self) -> None:
        with suppress(OSError):  # closed already
            self._socket.shutdown(socket.SHUT_RDWR)  # else the thread that waits keeps it open
        self._socket.close()
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        for transport in self._open:
            transport.close()

    def connections(self) -> int:
        """How many connections there are now."""
        return sum(transport.is_active() for transport in self._open)

    def _accept(self) -> None:
        while True:
            try:
                came, _ = self._socket.accept()
            except OSError:
                return  # closed
            transport = paramiko.Transport(came)
            transport.add_server_key(self._host_key)
            self._open.append(transport)
            transport.start_server(event=threading.Event(), server=_Session(self))

    def run(self, command: str, channel: paramiko.Channel) -> None:
        self.commands.append(command)
        shell = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )
        threading.Thread(target=_fed, args=(shell, channel), daemon=True).start()
        errors = threading.Thread(
            target=_passed_on, args=(shell.stderr, channel.sendall_stderr), daemon=True
        )
        errors.start()
        _passed_on(shell.stdout, channel.sendall)
        errors.join()
        with suppress(OSError, EOFError):
            channel.send_exit_status(shell.wait())
            channel.close()


def _passed_on(pipe: Any, send: Callable[[bytes], object]) -> None:
    """What a process says, until it says nothing more."""
    with suppress(OSError, EOFError):
        while said := os.read(pipe.fileno(), 65536):
            send(said)


def _fed(shell: subprocess.Popen[bytes], channel: paramiko.Channel) -> None:
    """What the other side says, until it ends."""
    assert shell.stdin is not None
    with suppress(OSError, EOFError):
        while said := channel.recv(65536):
            shell.stdin.write(said)
            shell.stdin.flush()
    with suppress(OSError):
        shell.stdin.close()


class _Session(paramiko.ServerInterface):
    def __init__(self, server: Server) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = username == USER and key == self._server.key
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # Not at once: paramiko has not said yes yet, and an end before that is an error.
        run = threading.Timer(0.05, self._server.run, args=(command.decode(), channel))
        run.daemon = True
        run.start()
        return True
