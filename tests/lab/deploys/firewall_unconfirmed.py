# The firewall by a controller that hangs between the change and its confirmation.
import time as _time

from cluster.settings import load
from operations import firewall
from operations import guard as _guard

_guard._works = lambda *_: _time.sleep(600)

firewall.applied(load(), name="A firewall that is never confirmed")
