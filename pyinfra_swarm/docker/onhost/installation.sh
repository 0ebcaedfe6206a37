#!/bin/sh
# Prints Docker's packages, repository, configuration and service, section by section.
# Uses section, show (run/answer), units (run/units) and package_rows.
#
# packages: their names, with blanks in between; sources, keyring, daemon, loaded, drop_in: paths
# of the managed files.
# shellcheck disable=SC2016,SC2086
: "${packages?}" "${sources?}" "${keyring?}" "${daemon?}" "${loaded?}" "${drop_in?}"
section os
id='' codename=''
while IFS='=' read -r key value; do
  value=${value#[\"\']}; value=${value%[\"\']}
  case $key in ID) id=$value;; VERSION_CODENAME) codename=$value;; esac
done < /etc/os-release
echo "$id $codename $(dpkg --print-architecture)"
section curl; command -v curl || true
section packages
package_rows '${Package} ${Version} ${db:Status-Status} ${db:Status-Want}' $packages
show sources "$sources"
show keyring "$keyring"
show daemon "$daemon"
show loaded "$loaded"
show drop-in "$drop_in"

# apt itself reads only files with such names; and a path here is one that may be removed.
section stale; set --
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  case ${file##*/} in *[!A-Za-z0-9_.-]*) continue;; esac
  [ "$file" = "$sources" ] || [ ! -f "$file" ] || set -- "$@" "$file"
done
[ $# = 0 ] || grep -alE '^([^#].*)?//download\.docker\.com/' "$@" || [ $? = 1 ] || exit

# Keyrings that older instructions made; those that other sources name are shared, and stay.
shared=
for file in /etc/apt/keyrings/docker.gpg /usr/share/keyrings/docker*.gpg \
/etc/apt/trusted.gpg.d/docker*; do
  case ${file##*/} in *[!A-Za-z0-9_.-]*) continue;; esac
  [ -f "$file" ] || continue
  set --
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
/etc/apt/sources.list.d/*.sources; do
    [ "$list" = "$sources" ] || [ ! -f "$list" ] || set -- "$@" "$list"
  done
  if [ $# -gt 0 ] && awk -v keyring="$file" '
    FNR == 1 { end() }
    /^[ \t]*#/ { next }
    FILENAME ~ /sources$/ { if (/^[ \t]*$/) end(); else entry = entry " " $0; next }
    { entry = $0; end() }
    END { end(); exit !used }
    function end() {
      if (index(entry, keyring) && entry !~ /[/][/]download[.]docker[.]com[/]/) used = 1
      entry = ""
    }' "$@"
  then shared="$shared $file"; else echo "$file"; fi
done
section shared; echo $shared

section unit
units docker.service -p ActiveState -p UnitFileState -p NeedDaemonReload
section changed; [ "$daemon" -nt /run/docker.pid ] && echo yes
section forwarding; cat /proc/sys/net/ipv4/ip_forward
section group; while IFS=: read -r name _ _ members; do
[ "$name" = docker ] && echo "$members"; done < /etc/group
exit 0
