#!/bin/sh
# explain: why the engine did not start, as its log says; then it fails.

explain() {
  journalctl -u docker.service -n 20 --no-pager >&2
  echo "the engine did not start" >&2
  exit 1
}
