"""Updates a service as secrets and stacks do it, on rk1: ``SERVICE`` is its id, ``COMMAND`` new."""

import copy
import os

from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import call, current_host, job, report
from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.services.operations import read, update


def _update(state, host):
    service = read(host, os.environ["SERVICE"])
    spec = copy.deepcopy(dict(service.spec))
    spec["TaskTemplate"]["ContainerSpec"]["Command"] = ["sh", "-c", os.environ["COMMAND"]]
    ended = update(host, service, spec, doing="giving it another command")
    if not ended.done:
        reporting.failed(host, ended.sentence())
    return ended.done


@job("services")
def updated():
    if current_host().name != "rk1":
        current_host().noop("rk1 does it")
        return
    report("services", [Change("service", "is to have another command")])
    yield call(_update)


updated(name="Services | another command")
