"""What the lab's registries offer: small images of a static busybox, for the hosts' platform and
for arm64.

A platform whose busybox is not at hand has the layers of this machine's, as far as a manifest can
say it: they would be pulled, and would not run.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import web_image

WEB = "lab/web"
"""A web server with a health check. Its versions are the tags ``1`` and ``2``, which differ in
their greeting; ``stable`` is ``1`` until it is moved."""

CRASH = "lab/crash"
"""Says why on its standard error, and ends with `CRASH_CODE`."""

UNWELL = "lab/unwell"
"""A web server whose health check fails each time."""

ONLY_ARM64 = "lab/only-arm64"
"""A web server that has no image for the hosts' platform."""

CRASH_CODE = 3
CRASH_WORDS = "cannot open /data/orders.db: no such file"
UNWELL_WORDS = "the database does not answer"

LINGER = 4
"""Seconds for which a web server that is told to stop still serves."""

MOVING_TAG = "stable"

PLATFORMS = ("amd64", "arm64")

_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
"""Media type of what a tag names."""

_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Content:
    """Something a registry keeps under its digest."""

    media_type: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """As registries write it, `sha256:…`."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self) -> dict[str, Any]:
        """How a manifest names it."""
        return {"mediaType": self.media_type, "size": len(self.data), "digest": self.digest}


@dataclass(frozen=True)
class Image:
    """One image, for each platform it is there for.

    blobs: layers and configurations
    manifests: one for each platform
    listed: the manifest list, which the tag names
    """

    blobs: tuple[Content, ...]
    manifests: tuple[Content, ...]
    listed: Content


@dataclass(frozen=True)
class Layer:
    """A layer as it is unpacked, and as it is pulled."""

    archive: bytes = field(repr=False)
    packed: Content

    @classmethod
    def of(cls, archive: bytes) -> "Layer":
        """Pack a tar, loosely: it is not carried far. The same tar gives the same layer."""
        return cls(archive, Content(_LAYER, gzip.compress(archive, 1, mtime=0)))

    @property
    def identity(self) -> str:
        """The digest of the unpacked layer."""
        return f"sha256:{hashlib.sha256(self.archive).hexdigest()}"


def public(busybox: Path, others: Mapping[str, Path] | None = None) -> dict[str, dict[str, Image]]:
    """Repository and tag to image, of the registry that is open to all.

    others: busybox of other platforms than this machine's, by architecture
    """
    mine = Layer.of(web_image.contents(busybox))
    base = dict.fromkeys(PLATFORMS, mine) | {
        architecture: Layer.of(web_image.contents(other))
        for architecture, other in (others or {}).items()
    }
    newer = Layer.of(web_image.tar({"www/index.html": (0o644, b"hello from version 2\n")}))
    serve: dict[str, Any] = {
        "Cmd": list(web_image.COMMAND),
        "Env": ["PATH=/bin", f"LINGER={LINGER}"],
        "ExposedPorts": {"80/tcp": {}},
    }
    web = {**serve, "Healthcheck": _check("wget", "-q", "-O", "/dev/null", "http://127.0.0.1/")}
    crash = f"echo '{CRASH_WORDS}' >&2; exit {CRASH_CODE}"
    fails = _check("sh", "-c", f"echo '{UNWELL_WORDS}'; exit 1")
    unwell = {**serve, "Healthcheck": {**fails, "Interval": _SECOND, "StartPeriod": 0}}
    bases = {architecture: [layer] for architecture, layer in base.items()}
    both = {architecture: [layer, newer] for architecture, layer in base.items()}
    first = image(bases, web)
    return {
        WEB: {"1": first, "2": image(both, web), MOVING_TAG: first},
        CRASH: {"1": image(bases, {"Cmd": ["sh", "-c", crash]})},
        UNWELL: {"1": image(bases, unwell)},
        ONLY_ARM64: {"1": image({"arm64": bases["arm64"]}, web)},
    }


def private(offered: Mapping[str, Mapping[str, Image]]) -> dict[str, dict[str, Image]]:
    """Those of them that the registry behind a password has: the web server's two versions."""
    web = offered[WEB]
    return {WEB: {tag: web[tag] for tag in ("1", "2")}}


def _check(*command: str) -> dict[str, Any]:
    """A health check that sees soon that a container is well, and asks rarely from then on."""
    return {
        "Test": ["CMD", *command],
        "Interval": 10 * _SECOND,
        "Timeout": 10 * _SECOND,
        "StartPeriod": 30 * _SECOND,
        "StartInterval": _SECOND,
        "Retries": 2,
    }


def image(platforms: Mapping[str, Sequence[Layer]], config: Mapping[str, Any]) -> Image:
    """An image of these layers.

    platforms: its layers, by the architecture as Docker names it
    config: how its containers run, as Docker's image specification has it
    """
    blobs: list[Content] = []
    manifests, entries = [], []
    for architecture, layers in platforms.items():
        blobs += [layer.packed for layer in layers if layer.packed not in blobs]
        settings = _json(
            _CONFIG,
            {
                "architecture": architecture,
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": {"Env": ["PATH=/bin"], **config},
                "rootfs": {"type": "layers", "diff_ids": [layer.identity for layer in layers]},
                "history": [{"created": "2026-01-01T00:00:00Z"} for _ in layers],
            },
        )
        manifest = _json(
            _MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": settings.descriptor(),
                "layers": [layer.packed.descriptor() for layer in layers],
            },
        )
        blobs.append(settings)
        manifests.append(manifest)
        platform = {"architecture": architecture, "os": "linux"}
        entries.append({**manifest.descriptor(), "platform": platform})
    listed = _json(LIST, {"schemaVersion": 2, "mediaType": LIST, "manifests": entries})
    return Image(tuple(blobs), tuple(manifests), listed)


def _json(media_type: str, value: Mapping[str, Any]) -> Content:
    return Content(media_type, json.dumps(value, indent=2).encode())
