#!/bin/sh
# Forgets where the peers of interfaces were that have gone. paths: with blanks in between.
# shellcheck disable=SC2086
: "${paths?}"
rm -f $paths
