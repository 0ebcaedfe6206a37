#!/bin/sh
# Prints how a host keeps itself up to date and its clock right.
# Uses section, show (run/answer), units (run/units) and package_rows.
#
# packages, services: names, with blanks in between; own_file: the path of the managed file.
# shellcheck disable=SC2016,SC2086
: "${packages?}" "${services?}" "${own_file?}"
section packages
package_rows '${Package} ${db:Status-Abbrev} ${Version}' $packages
section configuration
apt-config dump || exit
show own_file "$own_file" || section own_file
section units
units -p Id -p LoadState -p ActiveState -p UnitFileState $services
