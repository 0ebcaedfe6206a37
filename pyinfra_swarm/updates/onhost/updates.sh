#!/bin/sh
# Prints how a host keeps itself up to date and its clock right.
# Uses section, show (run/answer), units (run/units), package_rows and files_after.
#
# packages, services: names, with blanks in between; own_file, needrestart: the paths
# of the managed files.
# shellcheck disable=SC2016,SC2086
: "${packages?}" "${services?}" "${own_file?}" "${needrestart?}"
section packages
package_rows '${Package} ${db:Status-Abbrev} ${Version}' $packages
section configuration
apt-config dump || exit
show own_file "$own_file" || section own_file
show needrestart "$needrestart" || section needrestart
files_after "$needrestart"
section units
units -p Id -p LoadState -p ActiveState -p UnitFileState $services
