"""Who gets in: TCP connections from a namespace of the lab, many at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from types import ModuleType

Target = tuple[str, int]
"""An address and a port."""

OPEN, SILENT, REFUSED = "open", "silent", "refused"
"""What came of an attempt: a connection, no answer at all, or a refusal."""

_SCRIPT = """
import asyncio, json, sys

async def attempt(address, port, wait):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), wait)
    except (TimeoutError, asyncio.TimeoutError):
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return str(error)
    writer.close()
    return "open"

async def main():
    asked = json.load(sys.stdin)
    said = await asyncio.gather(*(attempt(a, p, asked["wait"]) for a, p in asked["targets"]))
    print(json.dumps(said))

asyncio.run(main())
"""


def reach(
    lab: ModuleType, namespace: str, targets: Iterable[Target], *, wait: float = 3.0
) -> dict[Target, str]:
    """What came of connecting to each target from a namespace, all at the same time."""
    wanted = list(dict.fromkeys(targets))
    done = lab.in_namespace(
        namespace,
        [sys.executable, "-c", _SCRIPT],
        stdin=json.dumps({"wait": wait, "targets": wanted}),
        timeout=wait + 60,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(wanted, json.loads(done.stdout), strict=True))
