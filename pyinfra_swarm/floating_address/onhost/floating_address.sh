#!/bin/sh
# The program of the floating address on a host.
#
# healthy: may this host hold the address? keepalived asks every second. Says why not; status 3
# where all is well with it, but it is drained.
# look: asks the swarm whether this node is drained, for "healthy", which does not wait for that.
# notify KIND NAME ROLE PRIORITY: keepalived says what this host has become.
# give-up: this host hands the address on, and does not take it; the files say so until take-back.
# take-back: it may hold the address again; waits until it is healthy.
# prepare, loaded: keepalived starts; it has read its configuration.
# admit-later: what give-up leaves to be done, however it ends itself.
#
# address, address6: that float, the second may be empty; tracked6: the second as the kernel's list of
# connections has it. ingress: the namespace of the routing
# mesh's end. folder, given_up, role, configuration, loaded, availability: paths. Uses engine_state.
: "${address?}" "${address6?}" "${tracked6?}" "${ingress?}" "${folder?}" "${given_up?}" "${role?}"
: "${configuration?}" "${loaded?}" "${availability?}" "${DOCKER_HOST?}"
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

healthy() {
  # Not through the socket alone: that would start an engine that somebody has stopped.
  state=$(engine_state)
  [ "$state" = running ] || { echo "its engine is $state"; return 1; }
  curl -sf --max-time 1 -o /dev/null --unix-socket /run/docker.sock http://localhost/_ping ||
    { echo "its engine does not answer"; return 1; }
  [ -e "/run/docker/netns/$ingress" ] ||
    { echo "it is not attached to the ingress network"; return 1; }
  ! drained || { echo "it is drained"; return 3; }
}

# Managers alone know it, as long as they have a quorum. Where nobody knows, it is not drained: the
# mesh works without them, and so does the address.
drained() {
  known
  now=$(date +%s)
  if [ "$now" -lt "$at" ] || [ $((now - at)) -ge 10 ]; then
    know "$known" # so that nobody else begins to ask
    setsid -f sh "$0" look </dev/null >/dev/null 2>&1
  fi
  [ "$known" = drain ]
}
known() { # sets at and known
  at=0 known=
  [ ! -f "$availability" ] || read -r at known < "$availability" || :
  case $at in '' | *[!0-9]*) at=0 ;; esac
}
know() {
  mkdir -p "${availability%/*}"
  printf '%s %s\n' "$(date +%s)" "$1" > "$availability.$$"
  mv -f "$availability.$$" "$availability"
}
look() {
  said=
  # A worker's engine would log an error each time it is asked.
  manager=$(timeout 5 docker info --format '{{.Swarm.ControlAvailable}}' 2>/dev/null) || manager=
  [ "$manager" != true ] ||
    said=$(timeout 5 docker node inspect --format '{{.Spec.Availability}}' self 2>/dev/null) || said=
  known
  # Somebody has drained it: the address goes as it does before a job.
  if [ "$said" = drain ] && [ "$known" != drain ] && holds; then
    hold_back
    setsid -f sh "$0" admit-later </dev/null >/dev/null 2>&1
    let_them_end
  fi
  know "$said"
}

taken() {
  times=0
  [ ! -f "$role" ] || read -r _ _ times < "$role"
  case $times in '' | *[!0-9]*) times=0 ;; esac
  echo "$times"
}

notify() {
  times=$(taken)
  # What another run of this program has left behind would keep new connections away.
  [ "$3" != MASTER ] || { times=$((times + 1)); admit; }
  printf '%s %s %s\n' "$3" "$(date +%s)" "$times" > "$role.new"
  mv -f "$role.new" "$role"
}

# New connections to the address wait a moment: their first packet is sent again by whoever asks,
# and then the host that has the address by then answers. Those that are open end undisturbed.
mangle() { # COMMAND -I or -D, ADDRESS
  "$1" -w 5 -t mangle "$2" PREROUTING -d "$3" -p tcp --syn -j DROP 2>/dev/null
}
hold_back() {
  mangle iptables -I "$address" || :
  [ -z "$address6" ] || mangle ip6tables -I "$address6" || :
}
admit() {
  while mangle iptables -D "$address"; do :; done
  [ -z "$address6" ] || while mangle ip6tables -D "$address6"; do :; done
}

open_connections() {
  grep -E ' (SYN_RECV|ESTABLISHED|FIN_WAIT|CLOSE_WAIT|LAST_ACK) ' /proc/net/nf_conntrack |
    grep -qF -e " dst=$address " ${tracked6:+-e " dst=$tracked6 "}
}

let_them_end() {
  if [ ! -r /proc/net/nf_conntrack ]; then sleep 0.8; return; fi
  looks=0
  while [ $looks -lt 25 ] && open_connections; do sleep 0.1; looks=$((looks + 1)); done
}

mark() {
  mkdir -p "$folder"
  printf '%s\n' "$1" > "$given_up"
  sync "$given_up"
}

holds() { ip -o -4 address show to "$address/32" | grep -q .; }

give_up() {
  if ! holds; then mark 1; return; fi
  trap admit EXIT
  trap 'exit 1' HUP INT TERM
  hold_back
  setsid -f sh "$0" admit-later </dev/null >/dev/null 2>&1
  let_them_end
  mark 1
  looks=0
  while holds; do
    [ $looks -lt 100 ] || {
      echo "keepalived still has $address here after 10 s (\`sudo journalctl -u keepalived\`)" >&2
      exit 1; }
    sleep 0.1
    looks=$((looks + 1))
  done
}

take_back() {
  admit
  mark 0
  look
  looks=0
  while :; do
    status=0
    problem=$(healthy) || status=$?
    case $status in 0 | 3) return ;; esac
    [ $looks -lt 30 ] || { echo "this host cannot hold $address: $problem" >&2; exit 1; }
    sleep 1
    looks=$((looks + 1))
  done
}

prepare() {
  admit
  mkdir -p "$folder" "${loaded%/*}"
  [ -f "$given_up" ] || mark 0
}

loaded() { sha256sum "$configuration" | cut -d ' ' -f 1 > "$loaded"; }

case ${1-} in
  healthy) healthy ;;
  look) look ;;
  notify) shift; notify "$@" ;;
  give-up) give_up ;;
  take-back) take_back ;;
  prepare) prepare ;;
  loaded) loaded ;;
  admit-later) sleep 15; admit ;;
  *) echo "floating-address healthy | give-up | take-back" >&2; exit 2 ;;
esac
