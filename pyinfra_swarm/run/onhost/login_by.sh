#!/bin/sh
# login_by: prints, as a section, the way by which this host answers the computer that is logged in.
# Uses section (run/answer).
# shellcheck disable=SC2046,SC3013
login_by() {
  section login_by
  set -- $(tr '\0' '\n' < /proc/$PPID/environ | sed -n 's/^SSH_CONNECTION=//p')
  # The address may carry the interface of a link-local one: fe80::1%eth0.
  [ $# != 4 ] || ip -o route get "${1%%%*}" 2>/dev/null
}
