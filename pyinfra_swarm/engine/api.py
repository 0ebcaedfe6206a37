"""The engine of a host, asked through its API: shell functions for the scripts of other rooms."""

from __future__ import annotations

from pyinfra_swarm.run.onhost import program

THIS_ENGINE = program(__file__, "this_engine.sh")
"""Shell: has Docker's command line ask this host's own engine. Part of the next two."""

ENGINE_STATE = THIS_ENGINE + program(__file__, "state.sh")
"""Shell, for facts: ``engine_state`` and ``ask``, of ``onhost/state.sh``."""

API = THIS_ENGINE + program(__file__, "api.sh")
"""Shell: ``api``, of ``onhost/api.sh``; sets ``answer`` and ``code``."""

WITHIN = program(__file__, "within.sh")
"""Shell: ``within``, of ``onhost/within.sh``."""

RESET_FAILED = "systemctl reset-failed docker.socket docker.service 2>/dev/null || :"
"""Shell: before a start. systemd refuses a unit that was started three times within a minute."""

RESTART = f"{RESET_FAILED}\nsystemctl restart docker.service"
"""Shell: restarts the engine, however often it has failed before."""

LEAVE = "http://localhost/swarm/leave"
