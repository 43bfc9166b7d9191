#!/usr/bin/env bash
# Lets schemathesis loose on the REST api, as two tenants, against a simulated Jira: every check, EXAMPLES of each operation;
# then as who runs the house, on what is done with tenants.
# Wants the program built; keeps its own Python environment under target/compat. Messages go to stderr; exits with
# schemathesis' code, 69 when it cannot be run.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly TARGET=$(realpath "${CARGO_TARGET_DIR:-target}")
readonly PROGRAM=$TARGET/debug/jirafleet
readonly HOME_OF_TESTS=$TARGET/compat
readonly VENV=${COMPAT_VENV:-$HOME_OF_TESTS/rest-venv}
readonly EXAMPLES=${EXAMPLES:-300}
readonly LOGS=$HOME_OF_TESTS/rest
DATA=$(mktemp -d -t jirafleet-rest.XXXXXX)
readonly DATA
# Private servers run as an account of their own, which must get through.
chmod 711 "$DATA"
PIDS=()

give_up() {
    printf 'test-compat: %s\n' "$*" >&2
    exit 69
}

end() {
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$DATA"
}
trap end EXIT

prepare() {
    command -v python3 >/dev/null || give_up "python3 is missing; install it and say make test-compat again."
    [[ -x $PROGRAM ]] || give_up "$PROGRAM is not built; say make test-compat."
    mkdir -p "$LOGS"
    [[ -x $VENV/bin/python ]] || python3 -m venv "$VENV" >"$LOGS/venv.log" 2>&1 ||
        give_up "No Python environment could be made; $LOGS/venv.log says why."
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement tests/compat/rest-requirements.txt >"$LOGS/pip.log" 2>&1 ||
        give_up "schemathesis could not be installed from PyPI; $LOGS/pip.log says why."
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

await() {
    for _ in $(seq 600); do
        curl -sf -o /dev/null "$1" && return
        sleep 0.1
    done
    give_up "$1 did not answer; $LOGS has the logs."
}

# A site of its own for a tenant, copied into the mirror; prints a key that is good for everything.
tenant() {
    local name=$1 port
    port=$(free_port)
    "$PROGRAM" simulate --listen "127.0.0.1:$port" --seed "$2" --issues 60 >"$LOGS/$name.jira" 2>"$LOGS/$name.jira.log" &
    PIDS+=($!)
    for _ in $(seq 100); do [[ -s $LOGS/$name.jira ]] && break || sleep 0.1; done
    local token
    token=$(sed -n 's/.*sign in as \([^ ]*\) with the token "\(.*\)"$/\1 \2/p' "$LOGS/$name.jira.log")
    printf '%s' "${token#* }" >"$DATA/$name.token"
    "$PROGRAM" tenant create "$name" >&2
    "$PROGRAM" instance add "$name" --tenant "$name" --site "http://127.0.0.1:$port" --email "${token%% *}" \
        --token-file "$DATA/$name.token" --requests-per-minute 60000 >>"$LOGS/$name.log" 2>&1
    "$PROGRAM" backfill "$name" --follow >>"$LOGS/$name.log" 2>&1
    "$PROGRAM" apikey create tests --tenant "$name" --environment test \
        --scope issues:read,issues:write,sync:read,audit:read >"$DATA/$name.key"
}

# All that follows the name is handed to schemathesis. One worker: what makes up its questions is not for several threads.
loose_as() {
    local name=$1
    shift
    AUTHORIZATION="Bearer $(cat "$DATA/$name.key")" "$VENV/bin/schemathesis" --config-file tests/compat/schemathesis.toml \
        run "http://$api/openapi.json" --checks all --max-examples "$EXAMPLES" --workers 1 --seed 1 \
        --max-response-time 20 --continue-on-failure --no-color --report junit \
        --report-junit-path "$LOGS/$name.xml" "$@" || failed=1
}

prepare
export JIRAFLEET_DATA_DIR=$DATA/dev JIRAFLEET_ALLOW_INSECURE_SITES=127.0.0.1
# Asks faster than anybody may, with bad keys, too.
export JIRAFLEET_RATE_PER_KEY=100000000 JIRAFLEET_RATE_PER_TENANT=100000000 JIRAFLEET_RATE_OF_GUESSES=100000000
api=127.0.0.1:$(free_port)
"$PROGRAM" dev --api-listen "$api" --gateway-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 >"$LOGS/dev.log" 2>&1 &
PIDS+=($!)
await "http://$api/readyz"
tenant acme 1
tenant globex 2
"$PROGRAM" tenant create house >&2
"$PROGRAM" apikey create tests --tenant house --environment test --scope tenants:admin >"$DATA/house.key"
failed=0
for name in acme globex; do
    loose_as "$name"
done
# Last: the others may find themselves suspended.
loose_as house --include-path-regex /fleet/
exit "$failed"
