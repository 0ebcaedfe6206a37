#!/bin/sh
# Asks a proxy for its front page, without a client certificate or with one, and prints how that went:
# the exit code of curl, the code of HTTP, whether it is nginx that wants a certificate, curl's words.
#
# name: of the site; port; addresses: of the nodes, with commas between; certificate: PEM, "" for none.
# Standard input: the certificate's key, if there is a certificate. The key is given to curl by a pipe,
# and is in no file.
#
# TLS 1.2 first: there a server refuses a certificate within the handshake. With TLS 1.3 it does so
# when the request is on its way already, and its word may be lost with the connection.
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
  status=0
  code=$(printf '%s\n' "$key" | curl -k -sS --max-time 10 --max-filesize 1000000 \
    --resolve "$name:$port:$addresses" -o "$folder/page" -w '%{http_code}' "$@" \
    "https://$name:$port/" 2> "$folder/words") || status=$?
}
ask --tls-max 1.2 "$@"
tries=6
again='protocol version\|unsupported protocol\|reset\|broken pipe'
while [ $tries -gt 0 ] && grep -qi "$again" "$folder/words"; do
  ask "$@"
  tries=$((tries - 1))
done
section exit; echo "$status"
section code; echo "$code"
section nginx
! grep -qs 'No required SSL certificate was sent\|The SSL certificate error' "$folder/page" || echo yes
section words; head -c 300 "$folder/words"
