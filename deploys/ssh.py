"""SSH hardening: ``pyinfra inventory.py deploys/ssh.py``."""

from cluster.settings import load
from operations import ssh

ssh.hardened(load(), name="SSH: keys only, judged by the effective configuration")
