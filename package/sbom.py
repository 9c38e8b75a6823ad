"""The SBOM of the executable: CycloneDX 1.6 as JSON, the same bytes from the same sources.

What Cargo resolves for the target is listed, without the crates of tests: those that are linked as required, those that
only run while it is built (build scripts, macros, and what they need) as excluded. Tests compare it with the schema.
"""

import hashlib
import json
import os
import re
import subprocess
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "nearline"
# `1serde v1.0.229 (proc-macro)`: how far from the root, name, version.
LINE = re.compile(r"(\d+)(\S+) v(\S+)")

Crate = tuple[str, str]


def run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def tree(target: str, edges: str) -> list[tuple[int, Crate]]:
    """The crates below the package, each with its depth; what was listed before has no crates below it."""
    lines = run("cargo", "tree", "--locked", "--package", PACKAGE, "--target", target, "--edges", edges, "--prefix", "depth", "--format", "{p}")  # fmt: skip
    found = (LINE.match(line) for line in lines.splitlines())
    return [(int(depth), (name, version)) for depth, name, version in (match.groups() for match in found if match)]


def graph(target: str) -> dict[Crate, set[Crate]]:
    """Each crate and those that it depends on."""
    dependencies: dict[Crate, set[Crate]] = {}
    above: list[Crate] = []
    for depth, crate in tree(target, "normal,build"):
        dependencies.setdefault(crate, set())
        del above[depth:]
        if above:
            dependencies[above[-1]].add(crate)
        above.append(crate)
    return dependencies


def purl(crate: Crate) -> str:
    name, version = crate
    return f"pkg:cargo/{name}@{version.replace('+', '%2B')}"


def licence(package: dict) -> list[dict]:
    """Old crates write a slash where SPDX has OR."""
    expression = package["license"]
    return [{"expression": re.sub(r"\s*/\s*", " OR ", expression)}] if expression else [{"license": {"name": package["license_file"] or "unknown"}}]


def sbom(executable: bytes, target: str, rustc: str = "rustc") -> dict:
    """The document for an executable of the target, which this compiler made."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    dependencies = graph(target)
    linked = {crate for _, crate in tree(target, "normal,no-proc-macro")}
    (root,) = (crate for crate in dependencies if crate[0] == PACKAGE)

    def component(crate: Crate) -> dict:
        name, version = crate
        fields = {
            "type": "library",
            "bom-ref": purl(crate),
            "name": name,
            "version": version,
            "scope": "required" if crate in linked else "excluded",
            "licenses": licence(packages[crate]),
            "purl": purl(crate),
        }
        # The workspace's own crates have none.
        if checksums[crate]:
            fields["hashes"] = [{"alg": "SHA-256", "content": checksums[crate]}]
        return fields

    compiler = {"type": "application", "name": "rustc", "version": run(rustc, "--version").split()[1]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": purl(root),
                "name": PACKAGE,
                "version": root[1],
                "description": packages[root]["description"],
                "licenses": licence(packages[root]),
                "purl": purl(root),
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(executable).hexdigest()}],
                "properties": [{"name": "cargo:target", "value": target}, {"name": "cargo:binary", "value": "bootstrap"}],
            },
            "tools": {"components": [compiler]},
        },
        "components": [component(crate) for crate in sorted(dependencies) if crate != root],
        "dependencies": [{"ref": purl(crate), "dependsOn": sorted(map(purl, dependencies[crate]))} for crate in sorted(dependencies)],
    }
    if "SOURCE_DATE_EPOCH" in os.environ:
        moment = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
        document["metadata"]["timestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    # Another document has another number, and the same one has the same.
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(document)).urn
    return document


def text(document: dict) -> str:
    """As it is written to a file; what breaks the schema is an error."""
    written = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(written)
    if fault:
        raise ValueError(f"the SBOM breaks the schema of CycloneDX: {fault}")
    return written
