# The firewall by a controller that hangs between the change and its confirmation.
import time as _time

from pyinfra_swarm.firewall import operations as firewall
from pyinfra_swarm.rollback import operations as _rollback
from pyinfra_swarm.settings import load

_rollback._works = lambda *_: _time.sleep(600)

firewall.applied(load(), name="A firewall that is never confirmed")
