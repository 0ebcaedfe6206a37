#!/bin/bash
# datagram NUMBERS: the bytes, given as numbers with commas in between, written at once: into a
# socket, that is one datagram.
#
# Rust's coreutils (its dd, too) and bash itself write line by line: a byte 10 ends a datagram there.

datagram() {
  LC_ALL=C awk -v numbers="$1" 'BEGIN {
    count = split(numbers, byte, ",")
    for (i = 1; i <= count; i++) printf "%c", byte[i] + 0
  }'
}
