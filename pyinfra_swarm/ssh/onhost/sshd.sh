#!/bin/sh
# Prints sshd's files as far as they matter, its effective configuration, and its state.
# Uses section, show (run/answer), units (run/units) and unconfirmed.
#
# users: more users to ask sshd about, with blanks in between; relevant: a regular expression for
# the keywords that matter; config, drop_ins, drop_in: paths; lists: what ssh can list of what it
# knows, and so sshd, which is built with it.
# shellcheck disable=SC2086
: "${users?}" "${relevant?}" "${config?}" "${drop_ins?}" "${drop_in?}" "${lists?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
login=${SUDO_USER:-root}
section login; printf '%s\n' "$login"
if ! command -v sshd >/dev/null; then section absent; exit 0; fi
if unconfirmed; then section unconfirmed; fi
for path in "$config" "$drop_ins"/*.conf; do  # sshd itself would wait for a pipe
  [ -f "$path" ] || [ ! -e "$path" ] || [ "$path" -ef /dev/null ] ||
    { show config "$path"; exit 0; }
done
lines=$(grep -asHniE "^[[:space:]]*($relevant)[[:space:]=\"]" "$config" "$drop_ins"/*.conf)
section lines; printf '%s\n' "$lines"
show drop-in "$drop_in" || section drop-in
case $lines in *[Gg][Rr][Oo][Uu][Pp][Ss]*) section groups; id -Gn "$login";; esac
connection='' matched=''
case $lines in *[Mm][Aa][Tt][Cc][Hh]*) matched=yes ;; esac
case $matched$lines in yes* | *[Uu][Ss][Ee][Rr][Ss]*)
  connection=$(tr '\0' '\n' < /proc/$PPID/environ | grep ^SSH_CONNECTION=) ;;
esac
set -- ${connection#SSH_CONNECTION=}
section login-from; printf '%s\n' "${1-}"
peer=host=${1:-localhost},addr=${1:-127.0.0.1},laddr=${3:-127.0.0.1},lport=${4:-22}
asked=,
for user in root "$login" $users; do
  case $asked in *,"$user",*) continue;; esac
  section "user $user"
  if [ "$asked" != , ] && [ -z "$matched" ]; then echo as-first
  else sshd -T -C "user=$user,$peer" 2>&1 || printf 'exit status %s\n' $?; fi
  asked=$asked$user,
done
for list in $lists; do section "known $list"; ssh -Q "$list" 2>/dev/null; done
section host-keys
for path in /etc/ssh/ssh_host_*_key.pub; do
  [ ! -f "$path" ] || { line=''; read -r line < "$path"; printf '%s\n' "$line"; }
done
section times  # not as a number of seconds: Rust's coreutils would leave out the fractions
stat -c '%z %n' "$config" "$drop_ins" "$drop_ins"/*.conf /proc/$$ 2>/dev/null
section units
units --timestamp=us+utc -p Id,ActiveState,StateChangeTimestamp ssh.service ssh.socket
exit 0
