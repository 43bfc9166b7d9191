#!/usr/bin/env bash
# Prints how many lines of crates/domain, crates/store and the use cases the tests run. Fails below 80 %, and when a test does.
# COVERAGE_TESTS is handed to `cargo test`, COVERAGE_DIR is where it is built (and may be deleted afterwards).
set -euo pipefail
cd "$(dirname "$0")/.."

SYSROOT=$(rustc --print sysroot)
HOST=$(rustc --version --verbose | sed -n 's/^host: //p')
readonly TOOLS=$SYSROOT/lib/rustlib/$HOST/bin
CARGO_TARGET_DIR=$(realpath -m "${COVERAGE_DIR:-target/coverage}")
readonly PROFILES=$CARGO_TARGET_DIR/profiles
readonly CASES=(-p domain -p store -p api -p tests)

[[ -x $TOOLS/llvm-cov && -x $TOOLS/llvm-profdata ]] || rustup component add llvm-tools >&2
deploy/install-packages.sh --for-tests
rm -rf "$PROFILES"
mkdir -p "$PROFILES"
# Only what is ours is counted: what it depends on is built as ever.
printf '#!/bin/sh\nexec "$@" -C instrument-coverage\n' >"$CARGO_TARGET_DIR/counting-rustc"
chmod +x "$CARGO_TARGET_DIR/counting-rustc"
# Processes add their counts to a few files for each program; those that are killed leave none.
export CARGO_TARGET_DIR RUSTC_WORKSPACE_WRAPPER=$CARGO_TARGET_DIR/counting-rustc LLVM_PROFILE_FILE=$PROFILES/%8m.profraw

# The tests of the binary start it from beside them.
cargo build --locked --workspace --bin jirafleet >&2
mapfile -t programs < <(cargo test --locked "${CASES[@]}" --no-run --message-format=json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("profile", {}).get("test") and built.get("executable"):
        print(built["executable"])')
failed=0
# shellcheck disable=SC2086
cargo test --locked "${CASES[@]}" --no-fail-fast ${COVERAGE_TESTS:-} >&2 || failed=1
"$TOOLS/llvm-profdata" merge -sparse "$PROFILES"/*.profraw -o "$PROFILES/all.profdata"
"$TOOLS/llvm-cov" export --summary-only --instr-profile "$PROFILES/all.profdata" "$CARGO_TARGET_DIR/debug/jirafleet" \
    "${programs[@]/#/--object=}" | python3 -c '
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
exit "$failed"
