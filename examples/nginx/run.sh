#!/bin/sh
# nginx on port 8080 and a sidecar beside it. `pilotfish` has to be on PATH: `npm install --global pilotfish`, or call
# this from an npm script. Further arguments go to the sidecar: run.sh --registry zookeeper://127.0.0.1:2181
#
# On SIGTERM or Ctrl-C the sidecar goes first: nginx serves until callers have been told, then finishes what it has.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=$(mktemp -d)

nginx -p "$prefix" -c "$here/nginx.conf" -g 'daemon off;' &
nginx=$!
pilotfish sidecar --service web --port 8080 --probe http:/healthz --address 127.0.0.1 "$@" &
sidecar=$!

stop() {
    trap '' INT TERM
    code=0
    kill -TERM "$sidecar" 2>/dev/null || true
    wait "$sidecar" || code=$?
    kill -QUIT "$nginx" 2>/dev/null || true
    wait "$nginx" || true
    rm -rf "$prefix"
    exit "$code"
}
trap stop INT TERM

# Whatever ends by itself does not end the other: a dead nginx leaves the list, a dead sidecar's entry ends with its TTL.
wait "$sidecar" || true
stop
