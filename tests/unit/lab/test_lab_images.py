"""The registries' images: each tag a list of platforms, whose digests are those of the content."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from lab import images
from lab.images import Image


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    path = tmp_path / "busybox"
    path.write_bytes(b"\x7fELF" + bytes(range(256)) * 40)
    return path


def platforms(image: Image) -> dict[str, str]:
    """Architecture to the digest of its manifest."""
    entries = json.loads(image.listed.data)["manifests"]
    assert {entry["platform"]["os"] for entry in entries} == {"linux"}
    return {entry["platform"]["architecture"]: entry["digest"] for entry in entries}


def config_of(image: Image, architecture: str) -> dict[str, object]:
    held = {content.digest: content.data for content in (*image.blobs, *image.manifests)}
    manifest = json.loads(held[platforms(image)[architecture]])
    found: dict[str, object] = json.loads(held[manifest["config"]["digest"]])
    return found


def test_each_tag_is_there_for_both_platforms_and_each_says_which_it_is(busybox: Path) -> None:
    offered = images.public(busybox)
    for repository, tagged in offered.items():
        expected = {"arm64"} if repository == images.ONLY_ARM64 else {"amd64", "arm64"}
        for image in tagged.values():
            assert set(platforms(image)) == expected
            for architecture in expected:
                assert config_of(image, architecture)["architecture"] == architecture


def test_whatever_is_named_is_pushed_and_has_the_digest_and_the_size_that_it_is_named_by(
    busybox: Path,
) -> None:
    for tagged in images.public(busybox).values():
        for image in tagged.values():
            pushed = {content.digest: content for content in (*image.blobs, *image.manifests)}
            named = json.loads(image.listed.data)["manifests"]
            for manifest in image.manifests:
                found = json.loads(manifest.data)
                named += [found["config"], *found["layers"]]
            for entry in named:
                content = pushed[entry["digest"]]
                assert entry["size"] == len(content.data)
                assert entry["mediaType"] == content.media_type
                assert entry["digest"] == "sha256:" + hashlib.sha256(content.data).hexdigest()


def test_a_layer_unpacks_to_what_the_configuration_says(busybox: Path) -> None:
    image = images.public(busybox)[images.WEB]["2"]
    packed = {content.digest: content.data for content in image.blobs}
    manifest = json.loads(image.manifests[0].data)
    unpacked = [gzip.decompress(packed[layer["digest"]]) for layer in manifest["layers"]]
    rootfs = json.loads(packed[manifest["config"]["digest"]])["rootfs"]
    assert rootfs["diff_ids"] == [
        "sha256:" + hashlib.sha256(archive).hexdigest() for archive in unpacked
    ]
    with tarfile.open(fileobj=io.BytesIO(unpacked[0])) as archive:
        program = archive.extractfile("bin/busybox")
        assert program is not None
        assert program.read() == busybox.read_bytes()
        assert archive.getmember("bin/httpd").linkname == "busybox"
        assert archive.getmember("www/cgi-bin/secrets").mode & 0o111


def test_the_same_program_makes_the_same_images_and_versions_differ(busybox: Path) -> None:
    once, again = images.public(busybox), images.public(busybox)
    assert once == again
    web = once[images.WEB]
    assert web[images.MOVING_TAG] == web["1"]
    assert web["1"].listed.digest != web["2"].listed.digest
    assert images.private(once) == {images.WEB: {tag: web[tag] for tag in ("1", "2")}}
