"""Images, and names in the public DNS."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.values.refused import wrong

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?"
_IMAGE = re.compile(
    rf"{_REGISTRY}{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"


def _image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise wrong(
            "is not the name of an image",
            'a name, a tag and the digest: "cloudflare/cloudflared:2026.10.0@sha256:…", as '
            "`docker buildx imagetools inspect NAME:TAG` prints it",
        )
    return text


def _domain(text: str) -> str:
    name = text.lower()
    if "://" in name or "/" in name:
        bare = re.sub(r"^[a-z+]*://|/.*$", "", name)
        raise wrong("is an address of a page, and a name is wanted", f'"{bare}"')
    if len(name) > 253 or not re.fullmatch(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})+", name):
        raise wrong("is not a name in the public DNS", 'a whole name, such as "home.example.org"')
    return name


def _host_name(text: str) -> str:
    name = _domain(text)
    if name.startswith("*."):
        raise wrong("stands for many names, and one is asked for", f'"www{name[1:]}"')
    return name


Image = Annotated[str, AfterValidator(_image)]

Domain = Annotated[str, AfterValidator(_domain), Field(examples=["home.example.org"])]

WebHost = Annotated[str, AfterValidator(_host_name), Field(examples=["www.example.org"])]
