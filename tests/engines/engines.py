"""Docker engines on such machines: their command line, their socket, their end."""

from __future__ import annotations

import contextlib
import http.client
import json
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.engines import programs
from tests.engines.machines import HostError, Machines

_WAIT_FOR_END = 'while [ -d "/proc/$pid" ]; do sleep 0.05; done'


class EngineError(HostError):
    """The engine's own words for what it does not do."""

    def __init__(self, status: int, said: str) -> None:
        with contextlib.suppress(ValueError):
            said = json.loads(said)["message"]
        super().__init__(f"the engine answered {status}: {said}")
        self.status = status
        self.message = said


class Engines(Machines):
    """Machines with an engine on each."""

    def power_on(self, name: str, *, engine: bool = True) -> None:
        """Switch a host on, and wait for its sshd and, unless told otherwise, for its engine."""
        if self.hosts[name].on:
            return
        super().power_on(name)
        if engine:
            self.wait_for_engine(name)

    def docker(self, name: str, *arguments: str, text: str | None = None) -> str:
        """What ``docker …`` prints on a host; ``HostError`` where it fails."""
        return self.run(name, shlex.join(["docker", *arguments]), text=text).stdout

    def api(
        self,
        name: str,
        path: str,
        body: object = None,
        *,
        method: str = "",
        timeout: float = 60,
    ) -> Any:
        """Ask a host's engine: GET, or POST with a body; ``EngineError`` where it answers no."""
        connection = _Socket(self.hosts[name].path("/run/docker.sock"), timeout)
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body)
            connection.request(
                method or ("GET" if body is None else "POST"),
                path,
                sent,
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            said = answer.read().decode()
        if answer.status >= 300:
            raise EngineError(answer.status, said.strip())
        return json.loads(said) if said.strip() else None

    def wait_for_engine(self, name: str, seconds: float = 60) -> None:
        """Return when a host's engine answers."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, EngineError, http.client.HTTPException, ValueError):
                self.api(name, "/info", timeout=10)
                return
            if time.monotonic() > deadline:
                log = self.run(name, "tail -n 20 /var/log/docker.log", check=False).stdout
                raise HostError(f"{name}: no answer from the engine after {seconds:.0f} s\n{log}")
            time.sleep(0.05)

    def stop_engine(self, name: str) -> None:
        """End a host's engine in good order; the host stays."""
        self.run(name, "systemctl stop docker")

    def start_engine(self, name: str) -> None:
        """Start a host's engine, and wait for it."""
        self.run(name, "systemctl start docker")

    def restart_engine(self, name: str) -> None:
        """End a host's engine in good order and start it again."""
        self.run(name, "systemctl restart docker")

    def crash_engine(self, name: str) -> None:
        """The engine dies without a last word; the host stays."""
        self.run(name, 'pid=$(cat /run/docker.pid); kill -9 "$pid"; ' + _WAIT_FOR_END)

    def import_image(self, *names: str) -> None:
        """Give hosts (all, where none is named) an image ``busybox`` without a registry."""
        program = programs.busybox()
        script = (
            "folder=$(mktemp -d); mkdir $folder/bin; cat > $folder/bin/busybox; "
            "chmod 755 $folder/bin/busybox; chroot $folder /bin/busybox --install -s /bin; "
            "tar -C $folder -c . | docker import -c 'ENV PATH=/bin' - busybox; rm -r $folder"
        )
        for name in names or self.hosts:
            line = self.inside(name, "sh", "-euc", script)
            with program.open("rb") as content:
                subprocess.run(line, stdin=content, check=True, capture_output=True, timeout=60)


class _Socket(http.client.HTTPConnection):
    """HTTP to an engine's socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
