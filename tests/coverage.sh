#!/usr/bin/env bash
# Prints how many lines of crates/domain, crates/store and the use cases the tests run. Fails below 80 %.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo-llvm-cov >/dev/null || cargo install --locked cargo-llvm-cov >&2
rustup component list --installed 2>/dev/null | grep -q llvm-tools || rustup component add llvm-tools >&2
deploy/install-packages.sh --for-tests
# The tests of the binary start it from beside them.
export CARGO_TARGET_DIR=${COVERAGE_DIR:-target/coverage}
# shellcheck disable=SC1090
source <(cargo llvm-cov show-env --export-prefix)
cargo build --locked --workspace --bin jirafleet >&2
cargo test --locked -p domain -p store -p api -p tests ${COVERAGE_TESTS:-} >&2
cargo llvm-cov report --json --summary-only | python3 -c '
import json, sys
rooms = {"crates/domain": [0, 0], "crates/store": [0, 0], "crates/api/src/usecases": [0, 0]}
for file in json.load(sys.stdin)["data"][0]["files"]:
    for room, sums in rooms.items():
        if f"/{room}/" in file["filename"] or f"/{room}.rs" in file["filename"]:
            lines = file["summary"]["lines"]
            sums[0] += lines["covered"]
            sums[1] += lines["count"]
low = False
for room, (covered, count) in rooms.items():
    share = 100 * covered / max(count, 1)
    low |= share < 80
    print(f"{room:26} {covered:6} of {count:6} lines  {share:5.1f} %")
sys.exit(low)
'
