#!/bin/sh
# The second opinion: the npm package cloudevents reads what our encoder
# writes and writes what our decoder reads, and @asyncapi/parser judges
# docs/asyncapi.json; the relay of agents' desktops is tried in Node, and a
# running outdial serves what the npm packages publish. Needs node >= 20 and the packages of package-lock.json.
# Fails when anything is understood differently, or when the messages that are
# kept in pkg/events/testdata/interop are not what npm writes now; in that case
# the new ones are left there to look at.
set -eu
cd "$(dirname "$0")"
events=../../pkg/events
theirs=$events/testdata/interop/theirs.json

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

before=$(cat "$theirs" 2>/dev/null | cksum)
node write.mjs "$theirs"
node read.mjs "$events/testdata/interop/ours.json"
node asyncapi.mjs ../../docs/asyncapi.json
node --test relay.test.mjs
sh live.sh
(cd "$events" && go test -count=1 -run 'Interop' .)

if [ "$before" != "$(cat "$theirs" | cksum)" ]; then
	echo "interop: $theirs was not what npm writes now; it has been made anew" >&2
	exit 1
fi
