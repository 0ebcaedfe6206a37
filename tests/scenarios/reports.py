"""What `deploys/prove.py --data report=FILE` writes, held against the hosts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lab.description import Description
from tests.scenarios.conftest import on_each

WORDS = re.compile(r"[0-9a-z.:-]+")


def assert_tells_of_machines_alone(report: Path, found: Description) -> dict[str, Any]:
    """The report, which names each host's kernel and engine, and neither who nor where it is."""
    told: dict[str, Any] = json.loads(report.read_text())
    names = [host.name for host in found.hosts]
    asked = on_each(names, "uname -r; docker version --format '{{.Server.Version}}'; hostname -I")
    # Who logs in on the lab is called like a distribution, which the report may name.
    others = [{**one, "distribution": ""} for one in told["hosts"]]
    words = set(WORDS.findall(json.dumps({**told, "hosts": others})))
    for host, one in zip(found.hosts, told["hosts"], strict=True):
        kernel, engine, *addresses = asked[host.name].split()
        assert (one["kernel"], one["answered"]) == (kernel, True)
        assert one["engine"].startswith(engine)
        assert not words & {host.name, host.user, host.address, *addresses}
    pairs = told["proof"]["pairs"]
    assert told["proof"]["proven"] is True
    assert pairs
    assert all(pair["proven"] for pair in pairs)
    assert set(told["seconds"]) >= {"proof", "system", "firewall"}
    return told
