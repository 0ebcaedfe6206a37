#!/bin/sh
# Prints the managed files that are on the host, and Docker's packages. Uses package_rows
# and unconfirmed.
#
# files: paths to look for; packages: names.
# shellcheck disable=SC2016,SC2086 # a format of dpkg's own; names, one a word
: "${files?}" "${packages?}"

if unconfirmed; then section unconfirmed; fi
section files
for path in $files; do
  [ -e "$path" ] && echo "$path"
done
section packages
package_rows '${Package} ${db:Status-Status} ${db:Status-Want}' $packages
