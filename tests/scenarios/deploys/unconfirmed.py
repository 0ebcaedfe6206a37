# SSH hardening by a controller that hangs between the change and its confirmation.
import time as _time

from pyinfra_swarm.rollback import operations as _rollback
from pyinfra_swarm.settings import load
from pyinfra_swarm.ssh import operations as ssh

_rollback._works = lambda *_: _time.sleep(600)

ssh.hardened(load(), name="SSH hardening that is never confirmed")
