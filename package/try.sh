#!/usr/bin/env bash
# Tries the executable out of a zip: the local stand-ins, one job in, one record out, and the record has the same scores,
# to the bit, as the search of this machine's own build. A foreign architecture runs under qemu.
#   package/try.sh arm64|x86_64
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1:?the architecture of the zip: arm64 or x86_64}
binaries=${CARGO_TARGET_DIR:-target}/debug
cargo build --quiet --workspace --locked

folder=$(mktemp -d)
started=()
finish() {
    for process in "${started[@]}"; do kill -TERM "$process" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap finish EXIT

python3 -m zipfile --extract "dist/nearline-$arch.zip" "$folder" # which drops the mode
chmod +x "$folder/bootstrap"
run=$folder/bootstrap
case $arch:$(uname -m) in
arm64:aarch64 | x86_64:x86_64) ;;
arm64:*)
    qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) ||
        { echo "package/try.sh needs qemu-aarch64 (Debian: qemu-user-static) and a libc for it (libc6-dev-arm64-cross)" >&2; exit 1; }
    # The library path too: otherwise the loader of one libc may take the other's files, and the first thread hangs.
    libc=/usr/aarch64-linux-gnu
    printf '#!/bin/sh\nexec %s -L %s -E LD_LIBRARY_PATH=%s/lib %s "$@"\n' "$qemu" $libc $libc "$run" >"$folder/run"
    chmod +x "$folder/run"
    run=$folder/run
    ;;
*) echo "package/try.sh cannot run $arch here" >&2; exit 1 ;;
esac

"$binaries/devstack" up --env-file "$folder/env" 2>"$folder/up.log" &
started+=($!)
for _ in $(seq 300); do [ -e "$folder/env" ] || sleep 0.2; done
[ -e "$folder/env" ] || { cat "$folder/up.log" >&2; exit 1; }
set -a
# shellcheck disable=SC1091
. "$folder/env"
set +a

head -n 401 examples/catalog.csv >"$folder/catalog.csv"
"$binaries/nearline" catalog build --input "$folder/catalog.csv" --output "$folder/catalog.arrow" 2>"$folder/build.log"
"$binaries/nearline" catalog publish "$folder/catalog.arrow" --to "$NEARLINE_CATALOG" >/dev/null 2>&1
"$binaries/devstack" lambda --bootstrap "$run" --concurrency 4 2>"$folder/lambda.log" &
started+=($!)

job='{"request_id":"packaged","query":"wireless headphones","top_k":3,"return":["title"]}'
echo "$job" >"$folder/jobs.jsonl"
"$binaries/nearline" enqueue --file "$folder/jobs.jsonl" >/dev/null 2>&1
"$binaries/nearline" result wait packaged --timeout 120 >"$folder/record.json" || { cat "$folder/lambda.log" >&2; exit 1; }
"$binaries/nearline" search --catalog "$folder/catalog.arrow" --queries "$folder/jobs.jsonl" --output "$folder/here.jsonl" 2>/dev/null

python3 - "$folder" "$arch" <<'PYTHON'
import json, pathlib, sys
folder, arch = pathlib.Path(sys.argv[1]), sys.argv[2]
record = json.loads((folder / "record.json").read_text())
here = json.loads((folder / "here.jsonl").read_text())
if record["status"] != "SUCCEEDED" or record["results"] != here["results"]:
    sys.exit(f"the record of the {arch} executable is not what this machine's search gives:\n{record}\n{here}")
loaded = next(line for line in (folder / "lambda.log").read_text().splitlines() if "the catalog is loaded" in line)
print("loaded:", loaded)
matches = sum(len(group["matches"]) for group in record["results"])
print(f"one job in, one record out: {matches} matches in {len(record['results'])} categories, the same bits as this machine's search")
PYTHON
