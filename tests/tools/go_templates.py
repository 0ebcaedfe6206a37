"""A `docker node inspect --format …` that answers from a recorded answer of the engine's API.

It knows as much of Go's templates as the programs for hosts use: ``{{.A.B}}``, ``{{json .A.B}}``
and ``{{with .A}}{{.B}}{{end}}``. Real engines answer in ``tests/engines``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def value(document: Any, path: str) -> Any:
    """What a path of a template, as ``.Spec.Role``, stands for; ``None`` where there is nothing."""
    for key in path.strip(".").split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def rendered(template: str, document: Any) -> str:
    """A template filled in."""
    text = re.sub(
        r"\{\{with (\.[\w.]+)\}\}\{\{(\.[\w.]+)\}\}\{\{end\}\}",
        lambda m: str(value(value(document, m[1]) or {}, m[2]) or ""),
        template,
    )
    text = re.sub(
        r"\{\{json (\.[\w.]+)\}\}",
        lambda m: json.dumps(value(document, m[1]), separators=(",", ":"), ensure_ascii=False),
        text,
    )
    text = re.sub(r"\{\{(\.[\w.]+)\}\}", lambda m: str(value(document, m[1]) or ""), text)
    assert "{{" not in text, f"this template is not known here: {template}"
    return text


DOCKER = f'#!/bin/sh\nexec {sys.executable} {Path(__file__)} "$HERE" "$@"\n'
"""A program `docker` for a pretended host: `node inspect` of ``$HERE/node``, `node ls` of
``$HERE/nodes``."""

if __name__ == "__main__":
    here, *words = sys.argv[1:]
    if words[:2] == ["node", "ls"]:
        for one in json.loads((Path(here) / "nodes").read_text()):
            print(one["ID"])
    elif words[:2] == ["node", "inspect"]:
        with (Path(here) / "inspected").open("a") as log:
            log.write(words[-1] + "\n")
        node = json.loads((Path(here) / "node").read_text())
        print(rendered(words[words.index("--format") + 1], node))
    elif words[:2] == ["network", "inspect"]:
        print(json.loads((Path(here) / "ingress").read_text())["Id"])
    else:
        sys.exit(f"not known here: {words}")
