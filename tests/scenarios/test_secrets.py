"""A secret of two services goes back a version, and is seen nowhere.

What came of it is asked of the engines and of the services themselves, never of the product's
facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import SITE, Run, on_each
from tests.scenarios.rotations import NAME, SECRETS, Cluster, assert_none_is_lost, begun
from tests.scenarios.visitor import a_visitor

pytestmark = pytest.mark.lifecycle


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType,
    converged: Description,
    pyinfra: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    yield from begun(lab, converged, pyinfra, tmp_path_factory.mktemp("settings"))


def test_back_to_the_version_before_and_no_following_run_undoes_it(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    assert pyinfra(*SECRETS, env=cluster.env("good")).returncode == 0
    assert pyinfra(*SECRETS, env=cluster.env("regretted")).returncode == 0
    with a_visitor(cluster.found, cluster.targets()) as requests:
        back = (*SECRETS, "--data", f"secret={NAME}", "--data", "back=yes")
        run = pyinfra(*back, env=cluster.env("regretted"))
        assert run.returncode == 0, run.output
    assert_none_is_lost(requests, "going back a version")
    cluster.assert_has("good")
    site = pyinfra("-y", *SITE, env=cluster.env("regretted"))
    assert site.returncode == 0, site.output
    cluster.assert_has("good")


def test_the_value_is_in_no_file_and_no_journal_and_its_digest_is_not_to_be_had(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    value = "4f1c-canary-of-the-lab"
    run = pyinfra(*SECRETS, env=cluster.env(value))
    assert run.returncode == 0, run.output
    assert value not in run.output + run.stdout
    cluster.assert_has(value)
    pattern = value.replace("-the-", "-[t]he-")  # the commands below are in the journal themselves
    look = (
        f"grep -rls --devices=skip -e '{pattern}' /root /home /tmp /run/pyinfra-swarm* "
        "/var/lib/pyinfra-swarm /var/lib/docker/swarm /var/log /etc; "
        f"journalctl --no-pager | grep -e '{pattern}'; true"
    )
    names = [host.name for host in cluster.found.hosts]
    assert on_each(names, look) == dict.fromkeys(names, "")
    [version] = cluster.used("front")
    inspected = cluster.on(f"docker secret inspect {version}")
    assert value not in inspected
    assert hashlib.sha256(value.encode()).hexdigest() not in inspected
