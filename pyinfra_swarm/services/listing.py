"""What an engine lists when it is asked to, and why it does not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_RPC = re.compile(r"^rpc error: code = \w+ desc = ")
"""What one manager says of another comes wrapped in this."""


def listed(text: str) -> Sequence[Mapping[str, Any]]:
    """An answer that is a list. Raises ``ValueError`` where it is none."""
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError(f"the engine gave no list: {_refusal(found) or 'something else'}")
    return found


def cannot_list(said: Mapping[str, Sequence[str]], *names: str) -> str:
    """Why a host's engine does not list all of these, in words; "" where it does.

    said: the sections of a script, with what ``state.sh`` says of the engine in ``state``; names:
    those with the engine's answers. Raises ``ValueError`` where an answer is none of an engine's.
    """
    state = said["state"][0]
    if state != "running":
        return "no Docker here" if state == "absent" else f"the engine is {state}"
    for name in names:
        words = _refusal(json.loads("\n".join(said[name])))
        if "not a swarm manager" in words:
            return "this host is no manager"
        if words:
            return words
    return ""


def _refusal(answer: object) -> str:
    """An engine's own words for what it does not do."""
    message = answer.get("message", "") if isinstance(answer, dict) else ""
    return _RPC.sub("", str(message))
