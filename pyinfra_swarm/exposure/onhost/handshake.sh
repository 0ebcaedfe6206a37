#!/bin/sh
# Asks a proxy for its front page, without a client certificate or with one, and prints how that went:
# the exit code of curl, the code of HTTP, whether it is nginx that wants a certificate, curl's words.
#
# name: of the site; port; addresses: of the nodes, with commas between; certificate: PEM, "" for none.
# Standard input: the certificate's key, if there is a certificate. The key is given to curl by a pipe,
# and is in no file.
#
# TLS 1.2 first: there a server refuses a certificate within the handshake. With TLS 1.3 it does so
# when the request is on its way already, and its word is lost where curl can send no more. It is then
# listened to as a mail server would be, which speaks first: curl sends nothing, and hears why.
: "${name?}" "${port?}" "${addresses?}" "${certificate?}"

folder=$(mktemp -d /run/pyinfra-swarm-handshake.XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
key=
set --
if [ -n "$certificate" ]; then
  key=$(cat)
  printf '%s\n' "$certificate" > "$folder/certificate"
  set -- --cert "$folder/certificate" --key /dev/stdin
fi
ask() {
  scheme=$1; shift
  status=0
  code=$(printf '%s\n' "$key" | curl -k -sS --max-time 10 --max-filesize 1000000 \
    --resolve "$name:$port:$addresses" -o "$folder/page" -w '%{http_code}' "$@" \
    "$scheme://$name:$port/" 2> "$folder/words") || status=$?
}
said() { grep -qi "$1" "$folder/words"; }
ask https --tls-max 1.2 "$@"
! said 'protocol version\|unsupported protocol' || ask https "$@"
if said 'reset\|broken pipe'; then
  first=$status
  cp "$folder/words" "$folder/first"
  ask imaps "$@"
  code=000
  said alert || { status=$first; cp "$folder/first" "$folder/words"; }
fi
section exit; echo "$status"
section code; echo "$code"
section nginx
! grep -qs 'No required SSL certificate was sent\|The SSL certificate error' "$folder/page" || echo yes
section words; head -c 300 "$folder/words"
