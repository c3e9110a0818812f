#!/bin/sh
# A running outdial serves requests that the npm packages publish: builds
# outdial, runs it with the simulated TCN on ports of its own, and publishes.
set -eu
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
pids=""
trap 'kill $pids 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT INT TERM

go build -o "$dir/outdial" ./cmd/outdial
cat >"$dir/outdial.yaml" <<YAML
nats: {listen: "127.0.0.1:34222", store: "$dir/nats"}
http: {listen: "127.0.0.1:38080"}
tenants: {acme: {countries: [US], ruleset: us-federal, connection: tcn-main, key: {file: "$dir/acme.key"}}}
connections: {tcn-main: {kind: tcn, tenant: acme, baseURL: "http://127.0.0.1:39101", metadataAliases: {Account: "Account Number"}}}
agents: [{tenant: acme, agent: "2098765", connection: tcn-main, token: {env: TCN_TOKEN}}]
timing: {bridge: {pollEvery: 200ms}}
YAML
TCN_TOKEN=token-2098765; export TCN_TOKEN
"$dir/outdial" sim --listen 127.0.0.1:39101 --pace 300ms >"$dir/sim.log" 2>&1 & pids="$pids $!"
"$dir/outdial" up -c "$dir/outdial.yaml" --at 2026-11-20T18:00:00Z >"$dir/up.log" 2>&1 & pids="$pids $!"
for _ in $(seq 100); do
	grep -q 'is up' "$dir/up.log" && break
	sleep 0.2
done
node test/interop/live.mjs nats://127.0.0.1:34222 || { cat "$dir/up.log" >&2; exit 1; }
