"""Secrets and configs as declared: a new value is rotated into the services, one at a time.

pyinfra inventory.py deploys/secrets.py
pyinfra inventory.py deploys/secrets.py --data secret=db_password                   only this one
pyinfra inventory.py deploys/secrets.py --data secret=db_password --data back=yes   a version back
pyinfra inventory.py deploys/secrets.py --data names=names.env                      their names
"""

from pyinfra_swarm.deploys import secrets

secrets()
