# WireGuard by a controller that hangs between the change and its confirmation.
import time as _time

from pyinfra_swarm.rollback import operations as _rollback
from pyinfra_swarm.settings import load
from pyinfra_swarm.vpn import operations as vpn

_rollback._works = lambda *_: _time.sleep(600)

vpn.as_declared(load(), name="A VPN that is never confirmed")
