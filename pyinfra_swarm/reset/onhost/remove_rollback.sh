#!/bin/sh
# Removes the rollback, and then the folders of this project. uninstall() removes the rollback.

uninstall
rm -rf /usr/local/lib/pyinfra-swarm /var/lib/pyinfra-swarm /run/pyinfra-swarm
systemctl daemon-reload
