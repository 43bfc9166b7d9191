#!/usr/bin/env bash
# Lints docs/openapi.json with redocly, and with nothing turned off that finds mistakes. Wants node and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly HOME_OF_TESTS=$(realpath "${CARGO_TARGET_DIR:-target}")/compat/redocly

command -v npm >/dev/null || { printf 'test-compat: npm is missing; install it and say make test-compat again.\n' >&2; exit 69; }
mkdir -p "$HOME_OF_TESTS"
[[ -x $HOME_OF_TESTS/node_modules/.bin/redocly ]] ||
    npm install --silent --no-audit --no-fund --prefix "$HOME_OF_TESTS" @redocly/cli@2.77.0 >"$HOME_OF_TESTS/npm.log" 2>&1 ||
    { printf 'test-compat: redocly could not be installed; %s says why.\n' "$HOME_OF_TESTS/npm.log" >&2; exit 69; }
REDOCLY_TELEMETRY=off "$HOME_OF_TESTS/node_modules/.bin/redocly" lint --config tests/compat/redocly.yaml docs/openapi.json
