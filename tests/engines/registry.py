"""A registry on a host: Debian's `docker-registry`, unpacked and never installed here.

The package would start a service of its own on this machine.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.cache import cached, recipe_key
from lab.commands import run
from lab.errors import LabError
from lab.release import machine_release
from tests.engines.hosts import Hosts
from tests.tools import must_run

ADDRESS = "127.0.0.1:5000"
"""On the host itself: the engine wants no TLS of this address."""

_PACKAGE = "docker-registry"
_PROGRAM = f"usr/bin/{_PACKAGE}"


def serve(hosts: Hosts, name: str, configuration: str) -> None:
    """Have a host run it with this configuration, until :func:`close`."""
    shutil.copy(_unpacked() / _PROGRAM, hosts[name].path(f"/root/{_PACKAGE}"))
    hosts.run(name, "cat > /root/registry.yml", text=configuration)
    line = f"/root/{_PACKAGE} serve /root/registry.yml"
    hosts.run(name, f"setsid {line} >/dev/null 2>&1 </dev/null &")


def stop(hosts: Hosts, name: str) -> None:
    """End it, where it runs; what was pushed stays."""
    hosts.run(name, f"kill $(pidof {_PACKAGE})", check=False)


def close(hosts: Hosts, name: str) -> None:
    """End it, and forget what was pushed."""
    stop(hosts, name)
    hosts.run(name, "rm -rf /root/registry")


def _unpacked() -> Path:
    try:
        return cached("registry", recipe_key([], repr(machine_release()), _PACKAGE), _unpack)
    except LabError as error:
        must_run.give_up(f"Debian's docker-registry cannot be had (apt-get update?): {error}")


def _unpack(folder: Path) -> None:
    run(["apt-get", "-qq", "-oAPT::Sandbox::User=root", "download", _PACKAGE], cwd=folder)
    [package] = folder.glob("*.deb")
    run(["dpkg-deb", "-x", package, folder])
    package.unlink()
