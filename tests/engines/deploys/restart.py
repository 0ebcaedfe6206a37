"""deploys/restart.py, its proof replaced: these hosts share a kernel that may know no ESP.

``ENGINES_PROOF=fails`` has it fail.
"""

import os

from pyinfra import local
from pyinfra.api import FunctionCommand

from pyinfra_swarm.proof import operations as proof
from pyinfra_swarm.run import reporting


def _prove(state, host):
    host.log("here the data plane would be proven")
    if os.environ.get("ENGINES_PROOF") == "fails":
        reporting.failed(host, "nothing encrypted came through")
        return False
    return True


proof.data_plane = lambda settings, name: FunctionCommand(_prove, (), {})

local.include("deploys/restart.py")
