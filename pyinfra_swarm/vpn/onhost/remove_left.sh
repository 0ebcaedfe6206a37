#!/bin/sh
# Removes what an interface that has gone leaves behind. paths: with blanks in between.
# shellcheck disable=SC2086
: "${paths?}"
rm -f $paths
