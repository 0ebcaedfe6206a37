#!/bin/sh
# Prints the default route, and the MTU of every interface. Uses section (run/answer).
section network; ip -o -4 route show default
section mtu
for path in /sys/class/net/*/mtu; do read -r mtu < "$path"; echo "$path $mtu"; done
