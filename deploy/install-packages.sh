#!/usr/bin/env bash
# Installs what jirafleet's private servers need and this machine lacks: PostgreSQL (server) >= 14 and Redis >= 6.2.
# With --for-tests also PgBouncer, which only the tests start, curl, which the README tells users to type, and Prometheus'
# promtool, without which they judge no alerts: it may be missing. With --for-bench also wrk, which may be missing, too.
# Says nothing and changes nothing when all are there. Messages go to stderr; exit 69 when it cannot help.
set -euo pipefail

readonly POSTGRES_MINIMUM=14
readonly REDIS_MINIMUM=6.2
readonly DEBIAN_NO_CLUSTER=/etc/postgresql-common/createcluster.d/jirafleet-install.conf

say() { printf 'install-packages: %s\n' "$*" >&2; }

give_up() {
    say "$*"
    exit 69
}

# at_least FOUND MINIMUM: compares major.minor.
at_least() {
    local found_major=${1%%.*} found_rest=${1#*.} wanted_major=${2%%.*} wanted_minor=0
    [[ $2 == *.* ]] && wanted_minor=${2#*.}
    [[ $1 == *.* ]] || found_rest=0
    local found_minor=${found_rest%%.*}
    ((found_major > wanted_major || (found_major == wanted_major && found_minor >= wanted_minor)))
}

# The number in "postgres (PostgreSQL) 15.14 (Debian ..)" or "Redis server v=7.0.15 sha=..".
version_of() {
    local words
    words=$("$@" 2>/dev/null) || return 1
    [[ $words =~ (v=|\)\ )([0-9]+(\.[0-9]+)?) ]] && printf '%s' "${BASH_REMATCH[2]}"
}

# Distributions keep the server programs of PostgreSQL in places that are not on PATH.
postgres_candidates() {
    command -v postgres || true
    local program
    for program in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres \
        /opt/homebrew/opt/postgresql*/bin/postgres /usr/local/opt/postgresql*/bin/postgres; do
        [[ -x $program ]] && printf '%s\n' "$program"
    done
    return 0
}

have_postgres() {
    local program version
    while IFS= read -r program; do
        version=$(version_of "$program" -V) || continue
        # initdb is what tells a server package from a stray program.
        [[ -x ${program%/*}/initdb ]] && at_least "$version" "$POSTGRES_MINIMUM" && return 0
    done < <(postgres_candidates)
    return 1
}

have_redis() {
    local name version
    for name in redis-server valkey-server; do
        command -v "$name" >/dev/null || continue
        version=$(version_of "$name" --version) || continue
        at_least "$version" "$REDIS_MINIMUM" && return 0
    done
    return 1
}

have_pgbouncer() { command -v pgbouncer >/dev/null || [[ -x /usr/sbin/pgbouncer ]]; }

# as_root COMMAND..: sudo asks for a password only where someone is there to type it.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        if [[ -t 0 ]]; then sudo "$@"; else sudo -n "$@"; fi
    else
        say "root is needed and there is no sudo"
        return 1
    fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >&2; }

have_package_lists() { compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; }

# Asks the package not to create and start a system cluster: nobody asked for a server on port 5432.
# The file is removed again, so a PostgreSQL installed later by its own will behaves as usual.
without_system_cluster() {
    as_root mkdir -p "${DEBIAN_NO_CLUSTER%/*}"
    printf 'create_main_cluster = false\n' | as_root tee "$DEBIAN_NO_CLUSTER" >/dev/null
    trap 'as_root rm -f "$DEBIAN_NO_CLUSTER"' EXIT
}

# Nor for a Redis on port 6379. Only called where this script has just installed it.
without_system_redis() {
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --now --quiet redis-server.service >&2 || true
    elif [[ -x /etc/init.d/redis-server ]]; then
        as_root /etc/init.d/redis-server stop >/dev/null 2>&1 || true
    fi
}

# Nor for a PgBouncer on port 6432.
without_system_pgbouncer() {
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --now --quiet pgbouncer.service >&2 || true
    elif [[ -x /etc/init.d/pgbouncer ]]; then
        as_root /etc/init.d/pgbouncer stop >/dev/null 2>&1 || true
    fi
}

# Nor for a Prometheus on port 9090: its promtool is all that is wanted.
without_system_prometheus() {
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --now --quiet prometheus.service >&2 || true
    elif [[ -x /etc/init.d/prometheus ]]; then
        as_root /etc/init.d/prometheus stop >/dev/null 2>&1 || true
    fi
}

# The one test that wants it says that it was skipped when this does not succeed.
try_promtool() {
    command -v promtool >/dev/null && return
    if command -v apt-get >/dev/null; then
        say "installing: prometheus (for promtool)"
        with_apt prometheus && return
    elif command -v brew >/dev/null; then
        brew install -q prometheus >&2 && return
    fi
    say "there is no promtool here: alerts and dashboards are not judged by the tests"
}

# The one benchmark that wants it reports it as missing when this does not succeed.
try_wrk() {
    command -v wrk >/dev/null && return
    if command -v apt-get >/dev/null; then
        say "installing: wrk"
        with_apt wrk && return
    elif command -v brew >/dev/null; then
        brew install -q wrk >&2 && return
    fi
    say "there is no wrk here: REST is not measured"
}

with_apt() {
    have_package_lists || apt update || say "apt-get update failed; trying with what is there"
    [[ $* != *postgresql* ]] || without_system_cluster
    # Lists can be older than the archive: once more with fresh ones before giving up.
    apt install -y --no-install-recommends "$@" || {
        apt update && apt install -y --no-install-recommends "$@"
    } || return 1
    [[ $* != *redis* ]] || without_system_redis
    [[ $* != *pgbouncer* ]] || without_system_pgbouncer
    [[ $* != *prometheus* ]] || without_system_prometheus
}

main() {
    local packages=() postgres=postgresql redis=redis-server
    if command -v dnf >/dev/null; then
        postgres="postgresql-server postgresql-contrib" redis=redis
        # Fedora's newer releases carry Valkey in Redis's place.
        dnf -q list redis >/dev/null 2>&1 || redis=valkey
    elif command -v brew >/dev/null; then
        postgres=postgresql@17 redis=redis
    fi
    have_postgres || read -ra packages <<<"$postgres"
    have_redis || packages+=("$redis")
    if [[ ${1:-} == --for-tests ]]; then
        have_pgbouncer || packages+=(pgbouncer)
        command -v curl >/dev/null || packages+=(curl)
    fi
    ((${#packages[@]})) || return 0

    local line
    if command -v apt-get >/dev/null; then
        line="apt-get install -y --no-install-recommends ${packages[*]}"
        say "installing: ${packages[*]}"
        with_apt "${packages[@]}" || give_up "apt-get failed (see above: network, sudo or package lists?); run it yourself as root: $line"
    elif command -v dnf >/dev/null; then
        line="dnf install -y ${packages[*]}"
        say "installing: ${packages[*]}"
        as_root dnf install -y -q "${packages[@]}" >&2 || give_up "dnf failed (see above: network or sudo?); run it yourself as root: $line"
    elif command -v brew >/dev/null; then
        line="brew install ${packages[*]}"
        say "installing: ${packages[*]}"
        brew install -q "${packages[@]}" >&2 || give_up "brew failed (see above); run it yourself: $line"
    else
        give_up "no apt-get, dnf or brew here: install PostgreSQL >= $POSTGRES_MINIMUM (server) and Redis >= $REDIS_MINIMUM yourself, then run this again"
    fi

    have_postgres || give_up "the packages of this system bring no PostgreSQL >= $POSTGRES_MINIMUM: install one from https://www.postgresql.org/download/, then run this again"
    have_redis || give_up "the packages of this system bring no Redis >= $REDIS_MINIMUM: install one from https://redis.io/downloads/, then run this again"
}

main "$@"
[[ ${1:-} != --for-tests ]] || try_promtool
[[ ${1:-} != --for-bench ]] || try_wrk
