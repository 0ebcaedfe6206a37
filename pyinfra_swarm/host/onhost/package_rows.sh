#!/bin/sh
# Function: `package_rows FIELDS NAME…` prints a row for each of these packages that dpkg knows.
#
# Status 1 of dpkg-query says that it does not know some; any other is no answer.
package_rows() {
  fields=$1; shift
  dpkg-query -W -f "$fields\\n" "$@" 2>/dev/null || [ $? = 1 ] ||
    { echo "dpkg-query failed" >&2; exit 1; }
}
