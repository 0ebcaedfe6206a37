#!/bin/sh
# Waits until this engine is attached to the ingress network. Uses attached.sh and within.sh.
# shellcheck disable=SC2034

pause=0.2
within 20 attached_to_ingress || {
  echo "this engine has not joined the ingress network: published ports do not answer here." \
    "Restart it: systemctl restart docker (with autolock on, deploys/unlock.py does it)" >&2
  exit 1; }
