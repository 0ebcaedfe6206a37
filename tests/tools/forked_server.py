"""The process that is forked for each run, see :mod:`tests.tools.forked`; run by its path.

argv: the descriptor of the socket on which runs are asked for. The server ends with whoever holds
the other end of its standard input, and kills the runs that nobody waits for any more.
"""

from __future__ import annotations

import gc
import importlib
import importlib.machinery
import inspect
import json
import os
import runpy
import select
import signal
import socket
import sys
from array import array
from contextlib import suppress
from typing import NamedTuple

# gevent replaces them, and leaves what is to be closed to its loop, which does not run here.
close, fork, poll, waitpid = os.close, os.fork, select.poll, os.waitpid

PREPARED = (
    "pyinfra_cli.main",  # first, as in pyinfra's command: it patches what others import
    *("apprise", "jinja2", "requests"),
    *("pyinfra_swarm.deploys", "pyinfra_swarm.drift.cli"),
)
OURS = "pyinfra_swarm"


def prepare() -> None:
    """Import all that runs import, also what they import only where they need it."""
    for name in PREPARED:
        importlib.import_module(name)
    inspect.stack()  # the first call looks up the files of all modules
    gc.collect()
    gc.freeze()


class Run(NamedTuple):
    """What is run. path: what stands in front of Python's; python: its ``sys.executable``."""

    module: str
    arguments: list[str]
    cwd: str
    env: dict[str, str]
    path: list[str]
    python: str


def asked(mail: socket.socket) -> Run:
    """Serve; in a fork, what it is to run, with its streams in place."""
    runs: dict[int, tuple[int, int]] = {}  # a run's handle: its process, and where its end is told
    while True:
        events = poll()
        events.register(0, 0)  # ready when the other end is closed, as are the replies
        events.register(mail.fileno(), select.POLLIN)
        for handle, (_, reply) in runs.items():
            events.register(handle, select.POLLIN)
            events.register(reply, 0)
        ready = {number for number, _ in events.poll()}
        for handle, (pid, reply) in [*runs.items()]:
            if handle in ready:
                tell(reply, os.waitstatus_to_exitcode(waitpid(pid, 0)[1]))
                del runs[handle]
                close(handle)
                close(reply)
            elif ready & {0, reply}:
                for end in (os.kill, os.killpg):
                    with suppress(ProcessLookupError):
                        end(pid, signal.SIGKILL)
        if 0 in ready and not runs:
            os._exit(0)
        if 0 in ready or mail.fileno() not in ready:
            continue
        text, more, _, _ = mail.recvmsg(1 << 20, socket.CMSG_LEN(16))
        given = array("i")
        given.frombytes(more[0][2])
        *streams, reply = given
        pid = fork()
        if not pid:
            break
        for stream in streams:
            close(stream)
        tell(reply, pid)
        runs[os.pidfd_open(pid)] = pid, reply
    import gevent

    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for handle in (*streams, reply, *runs, *(reply for _, reply in runs.values())):
        close(handle)
    mail.close()
    gevent.reinit()
    return Run(**json.loads(text))


def tell(reply: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(reply, b"%d\n" % number)


def forget_ours_where_another_is_first() -> None:
    found = importlib.machinery.PathFinder.find_spec(OURS)
    if found is None or found.origin != sys.modules[OURS].__file__:
        for name in [name for name in sys.modules if name.split(".")[0] == OURS]:
            del sys.modules[name]


with socket.socket(fileno=int(sys.argv[1])) as mail:
    prepare()
    run = asked(mail)
os.chdir(run.cwd)
os.environ.clear()
os.environ.update(run.env)
sys.path[:0] = run.path
forget_ours_where_another_is_first()
sys.executable = run.python
sys.argv = [run.module, *run.arguments]
runpy.run_module(run.module, run_name="__main__", alter_sys=True)
