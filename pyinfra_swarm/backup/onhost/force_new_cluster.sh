#!/bin/sh
# Forces a new cluster out of what this manager knows. The request's body is on standard input. It
# uses api.

api --max-time 120 --data-binary @- http://localhost/swarm/init || {
  echo "no new cluster was forced (the engine gets 120 s for it). See \`sudo journalctl -u" \
    "docker\`. If the engine does not answer at all: \`sudo systemctl restart docker\`. Then run" \
    "the same command again" >&2
  exit 1
}
