#!/bin/sh
# section NAME: begins a section of what the script prints.
section() { printf '\n#> %s %s\n' "$SECTION_MARK" "$1"; }
