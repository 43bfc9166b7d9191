#!/usr/bin/env bash
# Lets other people's Jira clients loose on `jirafleet simulate`. Wants the program built; keeps its own Python
# environment under target/compat. Messages go to stderr; exits with the tests' code, 69 when they cannot be run.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly PROGRAM=$TARGET/debug/jirafleet
readonly HOME_OF_TESTS=$TARGET/compat
readonly PYTHON=$HOME_OF_TESTS/venv/bin/python
readonly PATIENCE=60

give_up() {
    printf 'test-compat: %s\n' "$*" >&2
    exit 69
}

prepare() {
    command -v python3 >/dev/null || give_up "python3 is missing; install it and say make test-compat again."
    python3 -c 'import venv, ensurepip' 2>/dev/null || give_up "Python's venv module is missing; install python3-venv."
    [[ -x $PROGRAM ]] || give_up "$PROGRAM is not built; say make test-compat."
    mkdir -p "$HOME_OF_TESTS"
    [[ -x $PYTHON ]] || python3 -m venv "$HOME_OF_TESTS/venv" >"$HOME_OF_TESTS/venv.log" 2>&1 ||
        give_up "No Python environment could be made; $HOME_OF_TESTS/venv.log says why."
    # Asks the network for nothing when both are there already.
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --requirement tests/compat/requirements.txt \
        >"$HOME_OF_TESTS/pip.log" 2>&1 ||
        give_up "The clients could not be installed from PyPI; $HOME_OF_TESTS/pip.log says why."
}

prepare
# Its first line is its address, and it is printed once it listens.
coproc SIMULATOR { exec "$PROGRAM" simulate --listen 127.0.0.1:0 --issues 230 2>"$HOME_OF_TESTS/simulator.log"; }
readonly SIMULATOR_ID=$SIMULATOR_PID
trap 'kill "$SIMULATOR_ID" 2>/dev/null || true; wait "$SIMULATOR_ID" 2>/dev/null || true' EXIT
read -r -t "$PATIENCE" address <&"${SIMULATOR[0]}" ||
    give_up "The simulated Jira did not start; $HOME_OF_TESTS/simulator.log says why."

"$PYTHON" tests/compat/test_python_clients.py "$address"
