#!/bin/sh
# is_attached ANSWER: whether the engine that describes the ingress network so is attached to it.
#
# It has an end there, and counts itself among the peers. Where a new cluster was forced, the engine
# may keep the end and take no part in the networks any more: it closes what the new cluster has
# just been given (moby, libnetwork/controller.go, agentClose; seen with 26.1.5, about every third
# time). Then it creates and removes no network until it is restarted.

is_attached() {
  case $1 in *'"ingress-sbox"'*) ;; *) return 1 ;; esac
  case $1 in *'"Peers":[{'*) ;; *) return 1 ;; esac
}
