#!/bin/sh
# Prints everyone who could log in, section by section.
# Uses section, show, begin, odd (run/answer) and unconfirmed.
#
# users: more users to print whatever they are, with blanks in between; sudoers: the path of the
# managed drop-in; limit: bytes of a file of keys that are read.
#
# A user decides what lies at a path in a home, at any moment: a link to somebody else's file, a
# pipe that nobody writes to, 20 GB. So the folder is entered first, and the file opened in it
# without following a link, without waiting, and not read to its end.
# What a user has mounted (FUSE) not even root may look at, while sshd reads the keys there as that
# user: to root nothing seems to be there, but the folder above has its name in its list.
# shellcheck disable=SC2015,SC2030,SC2031,SC2034,SC2209
: "${users?}" "${sudoers?}" "${limit?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
hidden() {
  [ ! -e "$1" ] && [ ! -h "$1" ] || return
  set -- "$1" "${1%?}"
  last=${1#"$2"}
  for one in "$2"[$last]; do [ "$one" != "$1" ] || return 0; done
  return 1
}
own() (
  path=$2/.ssh/$3
  for place in "$2" "$2/.ssh" "$path"; do
    ! hidden "$place" || { odd "$3 $1" "$place" "hidden from root by what is mounted"; exit; }
  done
  if [ -h "$2/.ssh" ]; then odd "$3 $1" "$2/.ssh" "a link"
  elif [ -h "$path" ]; then odd "$3 $1" "$path" "a link"
  elif [ -d "$path" ]; then odd "$3 $1" "$path" "a directory"
  elif [ ! -e "$path" ]; then :
  elif [ ! -f "$path" ]; then odd "$3 $1" "$path" "a device or a pipe"
  else
    begin "$3 $1" "$path"
    cd -P "$2" && home=${PWD%/} && cd -P .ssh && [ "$PWD" = "$home/.ssh" ] &&
      dd if="./$3" iflag=nofollow,nonblock,fullblock bs="$((limit + 1))" count=1 status=none ||
      odd "$3 $1" "$path" "not readable"
  fi
) 2>/dev/null
[ -f /etc/sudoers ] || ! show sudoers-main /etc/sudoers || exit 0
login=${SUDO_USER:-root}
section login; printf '%s\n' "$login"
if unconfirmed; then section unconfirmed; fi
section passwords
while IFS=: read -r name secret rest; do
  case $secret in '!'*) state=locked;; '*'*) state=star;; '') state=none;; *) state=set;; esac
  printf '%s %s\n' "$name" $state
done < /etc/shadow
section groups
while IFS=: read -r name x gid members; do
  [ -z "$members" ] || printf '%s:%s:%s\n' "$name" "$gid" "$members"
done < /etc/group
section sudoers
grep -asE '^[[:space:]]*[#@]includedir[[:space:]]' /etc/sudoers
show sudoers-ours "$sudoers"
section accounts
people='' known=' '
while IFS=: read -r name x uid gid gecos home shell; do
  keys='' known="$known$name "
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
    if [ -s "$file" ] || [ -p "$file" ] || [ -h "$file" ] || hidden "$file"; then keys=yes; fi
  done
  if hidden "$home" || hidden "$home/.ssh"; then keys=yes; fi
  case " $users $login " in *" $name "*) asked=yes;; *) asked=;; esac
  if [ "$uid" = 0 ] || [ "$uid" -ge 1000 ] && [ "$uid" != 65534 ] || [ -n "$keys$asked" ]; then
    printf '%s:%s:%s:%s\n' "$name" "$uid" "$home" "$shell"
    [ -z "$keys" ] || people="$people$name:$home
"
  fi
done < /etc/passwd
section elsewhere
for name in $users; do
  case $known in *" $name "*) continue;; esac
  ! getent passwd "$name" >/dev/null || printf '%s\n' "$name"
done
printf %s "$people" | while IFS=: read -r name home; do
  own "$name" "$home" authorized_keys
  own "$name" "$home" authorized_keys2
done
exit 0
