"""Stacks for tests: the lines that matter, in a service that is otherwise in order."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from pyinfra_swarm.stacks.compose import Merged, Source, read
from pyinfra_swarm.stacks.lint import Context, Issue, lint
from pyinfra_swarm.stacks.variables import Variables

GOOD = """\
services:
  web:
    image: nginx:1.29.1
    networks: [front]
    healthcheck:
      test: wget -qO- http://127.0.0.1/
      interval: 10s
      timeout: 3s
      start_period: 10s
    deploy:
      update_config: { failure_action: rollback, monitor: 30s }
      resources: { limits: { memory: 64M } }
networks:
  front: { driver_opts: { encrypted: "true" } }
"""
"""A stack without an issue. :func:`changed` changes it."""


def stack(*texts: str, env: Mapping[str, str] | None = None, complete: bool = False) -> Merged:
    """Files as a stack; the first is a.yml, the next one b.yml."""
    return read(
        [
            Source(f"{'abcdef'[number]}.yml", textwrap.dedent(text).encode())
            for number, text in enumerate(texts)
        ],
        Variables(env or {}, complete=complete),
    )


def issues(
    *texts: str,
    context: Context | None = None,
    env: Mapping[str, str] | None = None,
    complete: bool = False,
) -> tuple[Issue, ...]:
    """What the lint says of these files."""
    return lint(stack(*texts, env=env, complete=complete), context or Context())


def changed(*changes: tuple[str, str], more: str = "") -> str:
    """The good stack with texts replaced, and lines added to its service."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    if more:
        lines = textwrap.indent(textwrap.dedent(more).strip("\n"), "    ")
        text = text.replace("    networks: [front]\n", f"    networks: [front]\n{lines}\n", 1)
    return text


def rules(found: tuple[Issue, ...]) -> list[tuple[str, str]]:
    """The rules that spoke, and how strictly."""
    return [(issue.rule, issue.severity) for issue in found]
