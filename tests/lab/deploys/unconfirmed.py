# SSH hardening by a controller that hangs between the change and its confirmation.
import time as _time

from cluster.settings import load
from operations import guard as _guard
from operations import ssh

_guard._works = lambda *_: _time.sleep(600)

ssh.hardened(load(), name="SSH hardening that is never confirmed")
