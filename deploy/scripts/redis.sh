#!/bin/sh
# Prints the path of a redis-server that runs, and nothing else, on standard
# output; everything said along the way goes to standard error. It looks at:
#
#   1. $OUTDIAL_REDIS_SERVER, when set
#   2. redis-server on PATH
#   3. <repository>/.cache/redis/usr/bin/redis-server from an earlier run
#   4. Debian's packages, downloaded and unpacked into .cache/redis
#
# Nothing is installed and no root is needed: where the package lists are
# missing or stale, a private copy of them is kept below .cache while we run.
# The path printed for 3 and 4 is a wrapper that knows where the unpacked
# libraries are and then becomes the server (same process id), so it may be
# started like any other redis-server. Running this twice changes nothing.
set -eu

least=6 # the oldest major version whose commands and Lua we use
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cache=$root/.cache
home=$cache/redis
work=

say() { printf 'redis.sh: %s\n' "$*" >&2; }

die() {
	say "$*"
	say "install redis-server ${least}.0 or newer (apt install redis-server, dnf install redis, brew install redis), or set OUTDIAL_REDIS_SERVER to the path of one, and run this again"
	exit 1
}

cleanup() { [ -z "$work" ] || rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# usable PATH: does this redis-server start at all, and is it new enough?
usable() {
	[ -x "$1" ] || return 1
	version=$("$1" --version 2>&1) || return 1
	version=${version##* v=}
	major=${version%%.*}
	case $major in '' | *[!0-9]*) return 1 ;; esac
	[ "$major" -ge "$least" ]
}

# private_lists: fetches the package lists into a folder of our own, for
# machines where nobody ran apt-get update or its result is out of date.
private_lists() {
	say "fetching the package lists into a private folder (no root needed)"
	mkdir -p "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial"
	# The system's after-update hooks want root and concern the system.
	cat >"$work/apt/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$work/apt/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/apt/cache";
CONF
	conf=$work/apt/apt.conf
	# One unreachable source among several is no reason to stop, so what went
	# wrong here is told but only a package that cannot be had is fatal.
	apt apt-get update >"$work/apt/log" 2>&1 || true
	grep -E '^(W|E|Err)' "$work/apt/log" | tail -n 5 >&2 || true
}

# apt COMMAND...: an apt tool with short timeouts and our configuration.
# The sandbox user cannot write below the caller's folders, hence root, which
# an unprivileged caller simply does not become.
apt() {
	tool=$1
	shift
	"$tool" -c "$conf" -o APT::Sandbox::User=root -o Acquire::Retries=2 \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
}

# take PACKAGE...: downloads packages and unpacks them into $work/tree.
take() {
	for package in "$@"; do
		mkdir -p "$work/deb/$package"
		(cd "$work/deb/$package" && apt apt-get download "$package") >"$work/log" 2>&1 || {
			tail -n 5 "$work/log" >&2
			return 1
		}
		dpkg-deb -x "$work"/deb/"$package"/*.deb "$work/tree" || return 1
		taken="$taken$package "
	done
}

# libraries: what the packages taken so far depend on, without what the system
# has already and without the C library, which must stay the system's own.
libraries() {
	# shellcheck disable=SC2086 # a list of package names
	apt apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances $taken 2>/dev/null |
		sed -n 's/^[ |]*\(Pre\)\{0,1\}Depends: \(li\|lu\)/\2/p' | sort -u |
		while read -r package; do
			case $package in libc6 | libc6.* | libgcc-s1) continue ;; esac
			case " $taken" in *" $package "*) continue ;; esac
			status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
			[ "$status" = installed ] || printf '%s\n' "$package"
		done
}

# missing: the libraries the unpacked server asks for and does not find.
missing() {
	LD_LIBRARY_PATH=$(folders "$work/tree") ldd "$work/tree/usr/bin/redis-server.real" 2>&1 |
		grep -E 'not found' || true
}

# folders TREE: the library folders of an unpacked tree, joined by colons.
folders() {
	find "$1/lib" "$1/usr/lib" -name 'lib*.so*' 2>/dev/null |
		sed 's|/[^/]*$||' | sort -u | tr '\n' ':' | sed 's/:$//'
}

# wrap: puts a wrapper in the place of the programs we need. Debian's
# redis-server is a link whose name decides what the program does, so the
# server keeps a copy with a name of its own beside the wrapper.
wrap() {
	for program in redis-server redis-cli; do
		bin=$work/tree/usr/bin/$program
		[ -e "$bin" ] || return 1
		cp -L "$bin" "$bin.real"
		rm -f "$bin"
		cat >"$bin" <<'WRAPPER'
#!/bin/sh
# Becomes the program of this name unpacked beside this file, with its libraries.
tree=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
for folder in "$tree"/usr/lib/*-linux-* "$tree"/lib/*-linux-*; do
	[ -d "$folder" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done
[ -z "${LD_LIBRARY_PATH:-}" ] || export LD_LIBRARY_PATH
exec "$tree/usr/bin/${0##*/}.real" "$@"
WRAPPER
		chmod 755 "$bin"
	done
}

# unpack: the work of step 4, all of it below $work; fails without a trace.
unpack() {
	taken=' '
	conf=/dev/null
	take redis-tools redis-server || {
		private_lists
		rm -rf "$work/tree" "$work/deb"
		taken=' '
		take redis-tools redis-server || return 1
	}
	wrap || return 1
	for _ in 1 2 3 4 5; do
		[ -n "$(missing)" ] || return 0
		more=$(libraries)
		[ -n "$more" ] || break
		# shellcheck disable=SC2086 # a list of package names
		take $more || return 1
	done
	[ -z "$(missing)" ] || {
		missing >&2
		return 1
	}
}

if [ -n "${OUTDIAL_REDIS_SERVER:-}" ]; then
	usable "$OUTDIAL_REDIS_SERVER" || die "OUTDIAL_REDIS_SERVER names $OUTDIAL_REDIS_SERVER, which is no redis-server that runs here (version ${least}.0 or newer)"
	printf '%s\n' "$OUTDIAL_REDIS_SERVER"
	exit 0
fi
if found=$(command -v redis-server); then
	if usable "$found"; then
		printf '%s\n' "$found"
		exit 0
	fi
	say "$found does not run or is older than ${least}.0; looking further"
fi
if usable "$home/usr/bin/redis-server"; then
	printf '%s\n' "$home/usr/bin/redis-server"
	exit 0
fi

for tool in apt-get apt-cache dpkg-deb dpkg-query ldd; do
	command -v "$tool" >/dev/null || die "there is no redis-server here, and without $tool none can be unpacked"
done
mkdir -p "$cache" || die "cannot write to $cache"
work=$(mktemp -d "$cache/redis.unpack.XXXXXX") || die "cannot write to $cache"
say "no redis-server here; unpacking Debian's into $home"
unpack || die "Debian's redis-server could not be downloaded and unpacked (the reason is above)"
usable "$work/tree/usr/bin/redis-server" || die "the unpacked redis-server does not run: $version"

# Another run may have finished first; whichever is there and runs will do.
usable "$home/usr/bin/redis-server" || rm -rf "$home"
mv -T "$work/tree" "$home" 2>/dev/null || true
usable "$home/usr/bin/redis-server" || die "could not put the unpacked redis-server into $home"
printf '%s\n' "$home/usr/bin/redis-server"
