"""The registries of the world outside: Debian's `docker-registry`, with the lab's images.

There are two, one open to all and one behind a password: a client asks a registry once, at its
root, whether it wants a password, so one registry cannot want it for a part of its repositories.
Both listen on sockets in the lab's state. The hosts reach them through `lab.world`, over TLS and
for reading only; this machine writes to the sockets.
"""

import base64
import http.client
import json
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt

from lab import addresses, images, places
from lab.errors import LabError
from lab.images import Content, Image

PROGRAM = "docker-registry"

USER = "lab"
"""Who may pull from the private registry."""

START_TIMEOUT = 30
"""Seconds after which a registry that does not answer counts as lost."""


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Registry:
    """One registry.

    host: the name that the hosts know it by
    password: of `USER`; empty where it is open to all
    """

    host: str
    password: str = ""

    @property
    def folder(self) -> Path:
        """Where it keeps its images, its configuration and its socket."""
        return places.state() / "registries" / self.host

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "socket"

    def prepare(self, program: str) -> list[str]:
        """Write its configuration; return the command line that runs it."""
        self.folder.mkdir(parents=True)
        settings: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "storage")}},
            "http": {"net": "unix", "addr": str(self.socket), "secret": secrets.token_hex()},
        }
        if self.password:
            # The cheapest hash there is: it is checked at every request.
            hashed = bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(4)).decode()
            users = self.folder / "htpasswd"
            users.write_text(f"{USER}:{hashed}\n")
            settings["auth"] = {"htpasswd": {"realm": "the lab", "path": str(users)}}
        path = self.folder / "config.yml"
        path.write_text(json.dumps(settings, indent=2))  # JSON is YAML
        return [program, "serve", str(path)]

    def wait(self) -> None:
        """Return when it answers.

        Raises LabError when it does not.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self._ask("GET", "/v2/", 200)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"the registry {self.host} does not answer ({error}); its log is"
                        f" {places.state() / f'{self.host}.log'}"
                    ) from error
            time.sleep(0.1)

    def push(self, offered: Mapping[str, Mapping[str, Image]]) -> None:
        """Have it offer these images: repository and tag to image."""
        for repository, tagged in offered.items():
            for blob in dict.fromkeys(b for image in tagged.values() for b in image.blobs):
                self._put_blob(repository, blob)
            for tag, image in tagged.items():
                for manifest in image.manifests:
                    self._put_manifest(repository, manifest.digest, manifest)
                self._put_manifest(repository, tag, image.listed)

    def move_tag(self, repository: str, tag: str, to: str) -> None:
        """Have `tag` name the image that the tag `to` names.

        Raises LabError when there is no tag `to`.
        """
        place = f"/v2/{repository}/manifests"
        manifest = self._ask("GET", f"{place}/{to}", 200, accept=images.LIST).data
        self._put_manifest(repository, tag, Content(images.LIST, manifest))

    def _put_blob(self, repository: str, blob: Content) -> None:
        begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/", 202)
        place = urlsplit(begun.headers["Location"])
        end = f"{place.path}?{place.query}&digest={blob.digest}"
        self._ask("PUT", end, 201, body=Content("application/octet-stream", blob.data))

    def _put_manifest(self, repository: str, name: str, manifest: Content) -> None:
        self._ask("PUT", f"/v2/{repository}/manifests/{name}", 201, body=manifest)

    def _ask(
        self,
        method: str,
        path: str,
        expected: int,
        *,
        body: Content | None = None,
        accept: str = "*/*",
    ) -> "_Answer":
        headers = {"Accept": accept}
        if self.password:
            known = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {known}"
        if body is not None:
            headers["Content-Type"] = body.media_type
        connection = SocketConnection(self.socket)
        try:
            connection.request(method, path, body.data if body else None, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != expected:
            said = data.decode(errors="replace").strip()
            raise LabError(
                f"the registry {self.host} answered {method} {path} with {answer.status}: {said}"
            )
        return _Answer(answer.headers, data)


@dataclass(frozen=True)
class _Answer:
    headers: http.client.HTTPMessage
    data: bytes


def public() -> Registry:
    """The registry that is open to all."""
    return Registry(addresses.REGISTRY_HOST)


def private(password: str) -> Registry:
    """The registry behind a password."""
    return Registry(addresses.PRIVATE_REGISTRY_HOST, password)


def fill(
    registries: Iterable[Registry], busybox: Path, others: Mapping[str, Path] | None = None
) -> None:
    """Have the registries offer the lab's images, each tag as it is at first.

    others: busybox of other platforms, by architecture
    """
    open_to_all = images.public(busybox, others)
    offered = {
        addresses.REGISTRY_HOST: open_to_all,
        addresses.PRIVATE_REGISTRY_HOST: images.private(open_to_all),
    }
    for one in registries:
        one.wait()
        one.push(offered[one.host])
