# Hosts that answer every fact at once with what real ones have said: what the controller costs.
#
# pyinfra executes this file in place of inventory.py; the hosts are those of the settings.
from tests.bench import scale as _scale

_scale.pretend()

with open("inventory.py") as _file:
    exec(_file.read())
