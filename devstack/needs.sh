#!/bin/sh
# What a build and the stand-ins need, looked at before minutes are spent: a line for each thing that is missing.
missing=0
miss() {
    echo "missing: $1" >&2
    missing=1
}

cargo --version >/dev/null 2>&1 || miss "Rust, see https://rustup.rs"
command -v cc >/dev/null 2>&1 || miss "a C compiler (cc), e.g. of the package build-essential or gcc"
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || miss "Python's venv, e.g. of the package python3-venv"
else
    miss "Python 3.10 or newer as python3"
fi
# In KiB; a build in one profile takes about 6 GB.
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
free=$(df -Pk "$target" | awk 'NR == 2 { print $4 }')
[ -d "$target/debug" ] || [ "$free" -ge 8000000 ] || miss "8 GB of free disk for $target, there are $((free / 1000000))"
exit $missing
