#!/usr/bin/env bash
# Passes this crate's tests on emulated 64-bit Arm processors, one for each kernel. Installs and fetches nothing.
#   search/arm64.sh            builds and tests
#   search/arm64.sh --missing  prints the Debian packages that it still needs
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
linker=aarch64-linux-gnu-gcc
export RUSTUP_AUTO_INSTALL=0

has_target() { [ -d "$("$1" --print target-libdir --target "$target" 2>/dev/null)" ]; }

missing=()
if ! has_target "${RUSTC:=rustc}"; then
    RUSTC=/usr/bin/rustc # Debian's, also where rustup's comes first in PATH
    has_target "$RUSTC" || missing+=(rustc-web libstd-rust-web-dev:arm64)
fi
export RUSTC
command -v "$linker" >/dev/null || missing+=(gcc-aarch64-linux-gnu)
[ -e "$("$linker" -print-file-name=libc.a 2>/dev/null)" ] || missing+=(libc6-dev-arm64-cross)
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || missing+=(qemu-user-static)

if [ "${1-}" = --missing ]; then
    echo "${missing[*]}"
    exit
fi
if [ ${#missing[@]} -gt 0 ]; then
    cat >&2 <<MESSAGE
make test-arm64 needs a Rust standard library, a linker with libc.a and an emulator for $target. On Debian, as root:
  dpkg --add-architecture arm64 && apt-get update && apt-get install --no-install-recommends ${missing[*]}
With rustup, \`rustup target add $target\` does in place of the packages with "rust" in their names.
MESSAGE
    exit 1
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$linker CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$qemu
# Static, or the emulated loader may take another package's libc, and the first thread hangs.
static='-C target-feature=+crt-static'
export RUSTFLAGS="${RUSTFLAGS-} $static"
# Apart from the usual builds: another compiler would have Cargo build everything anew, each time.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/arm64

mkdir -p "$CARGO_TARGET_DIR"
features=$CARGO_TARGET_DIR/features
# shellcheck disable=SC2086
"$RUSTC" --target "$target" -C linker="$linker" $static -o "$features" - <<'RUST'
use std::arch::is_aarch64_feature_detected as has;
fn main() {
    println!("dotprod {}, i8mm {}", has!("dotprod"), has!("i8mm"));
}
RUST

# test_on PROCESSOR FEATURES ARGUMENTS...: with fewer features a kernel would go untested, with more its fall-back.
passed=()
test_on() {
    export QEMU_CPU=$1
    local reported
    reported=$("$qemu" "$features")
    printf '\n--- %s: %s\n' "$1" "$reported"
    [ "$reported" = "$2" ] || { echo "make test-arm64 needs a $qemu whose $1 has: $2" >&2; exit 1; }
    cargo test --locked --package nearline-search --target "$target" --lib --tests -- "${@:3}"
    passed+=("$1: $reported")
}

# The first has every kernel; what differs on the others is which are there. Left out is what takes long under emulation
# and has no part of its own for an instruction set: the bound's inequalities, eigenvectors, orders, memory, cancelling,
# stored indexes that are refused.
export TEST_CASES_PERCENT=33
test_on max 'dotprod true, i8mm true' --skip quantize:: --skip order:: --skip an_uneven_catalog --skip memory_stays \
    --skip a_cancelled_search --skip few_rows_of_more_categories --skip what_does_not_fit_is_packed_again \
    --skip what_is_stored_and_pruned
test_on neoverse-n1 'dotprod true, i8mm false' kernel
test_on cortex-a72 'dotprod false, i8mm false' kernel
printf 'passed on %s\n' "${passed[@]}"
