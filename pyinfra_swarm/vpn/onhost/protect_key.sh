#!/bin/sh
# Makes the private key readable for root alone. key: the path of the file.
: "${key?}"
chown root: "$key"
chmod 600 "$key"
