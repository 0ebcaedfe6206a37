"""Security updates by themselves, without Docker and without reboots; the time kept right."""

from cluster.settings import load
from operations import updates

updates.unattended(load(), name="Updates: security updates by themselves, the time kept right")
