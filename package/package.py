"""Builds the zip that Lambda runs: one executable, `bootstrap`, the same bytes from the same sources.

  package.py --arch arm64|x86_64 [--output dist/nearline-ARCH.zip]   and its SBOM beside it, nearline-ARCH.cdx.json
  package.py --check ZIP         only looks at a zip that is there

The executable is checked before it is packed: architecture, no symbols, and no glibc newer than Amazon Linux 2023 has.
Paths of the builder's machine are mapped away, and the zip has no times of its own. Run it by `make package`.
"""

import argparse
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

import sbom

ROOT = Path(__file__).resolve().parent.parent
# By Lambda's name of an architecture: Rust's target, and the machine that an ELF file names.
ARCHITECTURES = {
    "arm64": ("aarch64-unknown-linux-gnu", "EM_AARCH64"),
    "x86_64": ("x86_64-unknown-linux-gnu", "EM_X86_64"),
}
# Amazon Linux 2023's, under the runtime provided.al2023.
GLIBC_NEWEST = (2, 34)
# What Lambda takes in a call that creates or updates a function.
ZIP_BYTES_MAX = 50 * 1024 * 1024


class Fault(Exception):
    """What went wrong and what to do, for people."""


def rustc_for(target: str) -> str:
    """A compiler that has the target's standard library; nothing is fetched for it."""
    for rustc in dict.fromkeys([os.environ.get("RUSTC", "rustc"), "/usr/bin/rustc"]):
        if not shutil.which(rustc):
            continue
        libraries = subprocess.run([rustc, "--print", "target-libdir", "--target", target], capture_output=True, text=True)
        if libraries.returncode == 0 and any(Path(libraries.stdout.strip()).glob("libstd-*")):
            return rustc
    raise Fault(f"no Rust standard library for {target}: run `rustup target add {target}`")


def build(arch: str) -> Path:
    """Runs cargo-lambda; the executable's path."""
    target, _ = ARCHITECTURES[arch]
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "package"
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    # Panics name their source files: without these the paths of this machine would be in the executable.
    remapped = {cargo_home / "registry" / "src": "registry", ROOT: "nearline"}
    if ROOT not in folder.resolve().parents:
        remapped[folder.resolve()] = "nearline/target/package"  # where build scripts write
    flags = [f"--remap-path-prefix={path}={name}" for path, name in remapped.items()]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RUSTC": rustc_for(target),
        "RUSTUP_AUTO_INSTALL": "0",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_TARGET_DIR": str(folder),
        # Of the program itself, not of what built it before.
        "CARGO_INCREMENTAL": "0",
    }
    environment.pop("RUSTFLAGS", None)
    command = ["cargo-lambda", "lambda", "build", "--target", target, "--profile", "dist", "--locked", "--skip-target-check", "--disable-optimizations",
               "--package", "nearline", "--bin", "bootstrap", "--lambda-dir", str(folder / arch)]  # fmt: skip
    print("$", " ".join(command[1:]), flush=True)
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise Fault("cargo lambda could not build the executable: its messages stand above")
    return folder / arch / "bootstrap" / "bootstrap"


def inspect(executable: bytes) -> dict:
    """Architecture, newest glibc that it asks for, features of glibc that have no number, and whether symbols are left."""
    elf = ELFFile(io.BytesIO(executable))
    needed = {
        auxiliary.name.removeprefix("GLIBC_")
        for section in elf.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for _, auxiliaries in section.iter_versions()
        for auxiliary in auxiliaries
        if auxiliary.name.startswith("GLIBC_")
    }
    numbered = {name for name in needed if re.fullmatch(r"[0-9.]+", name)}
    names = [section.name for section in elf.iter_sections()]
    arch = next((arch for arch, (_, machine) in ARCHITECTURES.items() if machine == elf["e_machine"]), elf["e_machine"])
    return {
        "arch": arch,
        "glibc": max((tuple(int(part) for part in name.split(".")) for name in numbered), default=None),
        "features": sorted(needed - numbered),
        "symbols": sorted(name for name in names if name == ".symtab" or name.startswith(".debug")),
    }


def check(executable: bytes, arch: str) -> dict:
    """Raises unless Lambda can run it; what was found otherwise."""
    found = inspect(executable)
    if found["arch"] != arch:
        raise Fault(f"the executable is for {found['arch']}, not for {arch}")
    if found["glibc"] is None:
        raise Fault("the executable does not say which glibc it needs: it is no dynamically linked program for Linux with glibc")
    if found["features"]:
        # GLIBC_ABI_DT_RELR, for one, came with 2.36.
        raise Fault(f"the executable needs what only a newer glibc has: {', '.join(found['features'])}")
    if found["glibc"] > GLIBC_NEWEST:
        wanted, newest = (".".join(map(str, version)) for version in (found["glibc"], GLIBC_NEWEST))
        raise Fault(f"the executable needs glibc {wanted}, and Amazon Linux 2023 has {newest}: link it with cargo-lambda's Zig")
    if found["symbols"]:
        raise Fault(f"the executable is not stripped: it has {', '.join(found['symbols'])}")
    return found


def pack(executable: bytes) -> bytes:
    """The same zip for the same executable, wherever and whenever it is made."""
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix: Lambda keeps the mode
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(entry, executable, compresslevel=9)
    if len(packed.getvalue()) > ZIP_BYTES_MAX:
        raise Fault(f"the zip has {len(packed.getvalue())} bytes, and Lambda takes {ZIP_BYTES_MAX}")
    return packed.getvalue()


def unpack(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if [entry.filename for entry in entries] != ["bootstrap"]:
            raise Fault(f"{path} must hold `bootstrap` and nothing else, and holds {[entry.filename for entry in entries]}")
        if (entries[0].external_attr >> 16) & 0o111 == 0:
            raise Fault(f"bootstrap in {path} is not executable")
        return archive.read("bootstrap")


def main() -> None:
    native = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=ARCHITECTURES, default=native)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--check", type=Path, metavar="ZIP")
    arguments = parser.parse_args()
    arch = arguments.arch
    if arguments.check:
        path, executable = arguments.check, unpack(arguments.check)
        found = check(executable, arch)
    else:
        path = arguments.output or ROOT / "dist" / f"nearline-{arch}.zip"
        executable = build(arch).read_bytes()
        found = check(executable, arch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(executable))
        target, _ = ARCHITECTURES[arch]
        document = sbom.sbom(executable, target, rustc_for(target))
        listing = path.with_suffix(".cdx.json")
        listing.write_text(sbom.text(document), encoding="utf-8")
        print(f"{os.path.relpath(listing)}: {len(document['components'])} crates")
    packed = path.read_bytes()
    print(f"{os.path.relpath(path)}: {len(packed) / 1e6:.1f} MB, bootstrap for {arch} {len(executable) / 1e6:.1f} MB, "
          f"glibc {'.'.join(map(str, found['glibc']))} or newer, stripped")  # fmt: skip
    print(f"sha256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    try:
        main()
    except (Fault, OSError, ValueError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
        sys.exit(f"package: {error}")
