#!/bin/sh
# Makes what docker-compose.yml needs and a repository must not hold: an nkey
# per NATS user, the tenant's key and the passwords. Seeds and keys go to
# deploy/secrets, public nkeys to .env. What is there already is kept, so this
# may be run again after a user was added.
#
#   sh deploy/nats/keys.sh
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
secrets=$root/deploy/secrets
env=$root/.env
nats=${NATS_CLI:-$root/bin/nats}
[ -x "$nats" ] || nats=$(command -v nats) || {
	echo "keys.sh: no nats command: run \"make nats\" first, or set NATS_CLI" >&2
	exit 1
}

umask 077
mkdir -p "$secrets"
touch "$env"

# set_env NAME VALUE: a line of .env, unless the name is there already.
set_env() {
	grep -q "^$1=" "$env" || printf '%s=%s\n' "$1" "$2" >>"$env"
}

# random: 32 random bytes in base64.
random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }

for user in orchestrator compliance dialer bridge provision operator analytics acme; do
	seed=$secrets/nats-$user.nk
	[ -s "$seed" ] || "$nats" auth nkey gen user --output "$seed" >/dev/null
	name=NATS_NKEY_$(printf %s "$user" | tr '[:lower:]' '[:upper:]')
	set_env "$name" "$("$nats" auth nkey show "$seed")"
done
[ -s "$secrets/tenant-acme.key" ] || random >"$secrets/tenant-acme.key"
# What the simulator knows its first agent by; put the agent's own here for a
# real provider.
[ -s "$secrets/tcn.token" ] || printf token-2098765 >"$secrets/tcn.token"
if [ ! -s "$secrets/valkey.password" ]; then
	random | tr '+/' '-_' | tr -d = >"$secrets/valkey.password"
fi
[ -s "$secrets/valkey.conf" ] || printf 'requirepass %s\n' "$(cat "$secrets/valkey.password")" >"$secrets/valkey.conf"
[ -s "$secrets/valkey.url" ] || printf 'redis://:%s@valkey:6379/0' "$(cat "$secrets/valkey.password")" >"$secrets/valkey.url"
# Dialer, compliance and bridge ask for the pace of providers there, and may do
# nothing else: the sessions are the orchestrator's.
[ -s "$secrets/valkey-pace.password" ] || random | tr '+/' '-_' | tr -d = >"$secrets/valkey-pace.password"
grep -q '^user pace ' "$secrets/valkey.conf" || printf 'user pace on >%s resetkeys ~outdial:*:pace:* resetchannels -@all +hello +ping +eval +evalsha +time +type +del +hmget +hset +pexpire\n' \
	"$(cat "$secrets/valkey-pace.password")" >>"$secrets/valkey.conf"
[ -s "$secrets/valkey-pace.url" ] || printf 'redis://pace:%s@valkey:6379/0' "$(cat "$secrets/valkey-pace.password")" >"$secrets/valkey-pace.url"
[ -s "$secrets/grafana.password" ] || random >"$secrets/grafana.password"

# The containers that read these files through bind mounts run as whoever made
# them (OUTDIAL_USER), so that nobody else needs to be able to. Root's belong to
# a user of no other use: no container runs as root.
owner=$(id -u):$(id -g)
if [ "$(id -u)" = 0 ]; then
	owner=10001:10001
	chown "$owner" "$secrets"/*
fi
set_env OUTDIAL_USER "$owner"
chmod 700 "$secrets"
chmod 600 "$secrets"/* "$env"
echo "keys.sh: keys are in deploy/secrets, public nkeys in .env; keep both out of version control"
