"""Reads declared values in a process of its own, and shows all that can be shown of them.

`python worker.py LIST`, where LIST is JSON: of each value the fields of `[[secrets]]` or
`[[configs]]`, with `section` for which of them. It prints what a run could print: logs of all
libraries at their most talkative level, representations, tracebacks with the values of all
variables, findings. What it starts, with what its own environment does not have, goes to the file
`events`, one JSON object a line. It works as pyinfra does, with greenlets in the place of threads.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import dataclasses  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import pickle  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn", "os.putenv"}

EVENTS = Path("events").absolute()
EVENTS.touch()


def heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event in STARTS:
        own = {repr(item) for item in (*os.environ.items(), *os.environb.items())}
        plain = [
            [repr(item) for item in one.items() if repr(item) not in own]
            if isinstance(one, Mapping)
            else repr(one)
            for one in arguments
        ]
        # Opened each time: between fork and exec, files are closed already.
        end = os.open(EVENTS, os.O_WRONLY | os.O_APPEND)
        os.write(end, json.dumps({"event": event, "arguments": plain}).encode() + b"\n")
        os.close(end)


sys.addaudithook(heard)
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)

from pyinfra_swarm.run.findings import Refusal  # noqa: E402
from pyinfra_swarm.run.records import record  # noqa: E402
from pyinfra_swarm.secrets import digest, seal_cache  # noqa: E402
from pyinfra_swarm.secrets.sources import Unreadable, Value, read, read_all  # noqa: E402
from pyinfra_swarm.settings import Config, Secret  # noqa: E402


def show(what: str, make: Callable[[], object]) -> None:
    """Print something, or the traceback of trying to, with all variables in all frames."""
    try:
        print(what, make())
    except Exception as error:
        print(what, repr(error), error.args, vars(error))
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        print("".join(told.format()))
        logging.exception(what)


def main() -> None:
    logging.debug("logs are at their most talkative")
    for fields in json.loads(sys.argv[1]):
        section = fields.pop("section")
        one((Config if section == "configs" else Secret)(**fields))


def one(declared: Secret | Config) -> None:
    show("declared", lambda: repr(declared))
    show("read", lambda: read(declared, Path.cwd()))
    [found] = read_all([declared], Path.cwd())
    if isinstance(found, Unreadable):
        finding = Refusal(f"secret {declared.name}", f"{found}", remedy=found.remedy)
        print(finding, finding.sentence())
        record(finding.record())
        show("error", lambda: (repr(found), vars(found), found.__traceback__))
        return
    print(f"READ {declared.name}")
    show("value", lambda: (repr(found), f"{found}", f"{found!s:>40}", [found], {"value": found}))
    show("fields", lambda: dataclasses.fields(found))
    show("JSON", lambda: json.dumps(found))
    show("JSON by text", lambda: json.dumps({"value": found}, default=str))
    show("pickle", lambda: pickle.dumps(found))
    sealed = digest.seal(found)
    print(sealed, digest.matches(found, sealed), digest.matches(Value(b"another"), sealed))
    seal_cache.forget()
    print(digest.matches(found, sealed))
    record({"what": declared.name, "value": f"{found}", "sealed": sealed})
    show("a crash", lambda: digest.matches(found, 5))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
