#!/bin/sh
# Removes the folders of this project, after the rollback is gone from them.

rm -rf /usr/local/lib/pyinfra-swarm /var/lib/pyinfra-swarm /run/pyinfra-swarm
systemctl daemon-reload
