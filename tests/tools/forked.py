"""``python -m pyinfra …`` in a process of its own that need not import the libraries first.

Starting an interpreter and importing pyinfra takes most of a second, and hundreds of tests run a
command line as a user would. So one process imports the libraries, once, and is forked for each
run. Nothing of the project's is imported before the fork.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_OURS = ("pyinfra_swarm", "facts", "deploys", "tests", "lab")

_SERVER = r"""
import array, importlib, json, os, runpy, socket, sys
fork, waitpid, kill = os.fork, os.waitpid, os.kill  # before gevent replaces them
wire = socket.socket(fileno=int(sys.argv[1]))
ours = tuple(sys.argv[2].split(","))
reader, writer = os.pipe()
if not fork():
    import apprise, pyinfra_cli.main, pyinfra_swarm.deploys, pyinfra_swarm.drift.cli
    os.write(writer, json.dumps([*sys.modules]).encode())
    os._exit(0)
os.close(writer)
with open(reader) as names:
    libraries = json.load(names)
waitpid(-1, 0)
import pyinfra_cli.main
for name in libraries:
    if name.split(".")[0] not in ours:
        try:
            importlib.import_module(name)
        except Exception:
            pass
while True:
    text, more, _, _ = wire.recvmsg(1 << 20, socket.CMSG_LEN(12))
    if not text:
        os._exit(0)
    given = json.loads(text)
    streams = array.array("i")
    streams.frombytes(more[0][2])
    child = fork()
    if not child:
        break
    for one in streams:
        os.close(one)
    wire.send(str(child).encode())
    wire.send(str(os.waitstatus_to_exitcode(waitpid(child, 0)[1])).encode())
wire.close()
for one, other in zip(streams, (0, 1, 2)):
    os.dup2(one, other)
    os.close(one)
os.chdir(given["cwd"])
os.environ.clear()
os.environ.update(given["env"])
sys.path[:0] = given["path"]
sys.argv = [given["module"], *given["arguments"]]
module = given["module"]
for name in ("given", "libraries", "text", "more", "streams", "one", "other", "name"):
    globals().pop(name, None)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    stderr: int = subprocess.PIPE,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """As :func:`subprocess.run` with all output as text, and without input.

    argv: this interpreter with ``-m``, with or without ``-P``, a module and its arguments; what
    else an interpreter reads at its start (``PYTHON…``, the locale) has to be as it is here.
    stderr: ``subprocess.STDOUT`` for both in one. Raises ``TimeoutExpired`` after so many seconds.
    """
    at_start = re.compile(r"PYTHON(?!PATH$)|LC_|LANG")
    assert {one for one in env.items() if at_start.match(one[0])} == {
        one for one in os.environ.items() if at_start.match(one[0])
    }
    words = [*argv]
    assert words.pop(0) == sys.executable
    safe = words[0] == "-P"
    assert words[safe] == "-m"
    module, *arguments = words[safe + 1 :]
    path = [] if safe else [str(cwd)]
    path += [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if one]
    given = {
        **{"module": module, "arguments": arguments, "cwd": str(cwd), "path": path},
        "env": dict(env),
    }
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull) as none:
        merged = stderr == subprocess.STDOUT
        streams = array.array("i", (none.fileno(), out.fileno(), (out if merged else err).fileno()))
        wire = _server()
        wire.settimeout(timeout)
        wire.sendmsg(
            [json.dumps(given).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)]
        )
        child = int(wire.recv(20))
        try:
            status = int(wire.recv(20))
        except TimeoutError:
            os.kill(child, 9)
            wire.recv(20)
            raise subprocess.TimeoutExpired(argv, timeout) from None
        said: list[Any] = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode())
    return subprocess.CompletedProcess([*argv], status, said[0], None if merged else said[1])


@cache
def _server() -> socket.socket:
    """The connection to the process that is forked; it ends with this one."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVER, str(there.fileno()), ",".join(_OURS)],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here
