"""The measured parts of docs/reading-records.md: what the libraries made of records."""

import pathlib
import re
import tomllib
from decimal import Decimal

ROOT = pathlib.Path(__file__).parents[2]

ATTRIBUTES = {
    "brand": "Tonwerk", "in_stock": True, "tags": ["new", "sale"], "sizes": [38, 40.5], "price": 39.9, "stock": 12,
    "safe": 2**53 - 1, "beyond": 2**53 + 1, "most": 2**64 - 1, "least": -(2**63), "sum": 0.1 + 0.2, "third": 1 / 3,
    "large": 1e20, "small": 1.5e-100,
}
"""Of the product that is read: each kind of attribute, and numbers up to what a library does differently."""

TYPES = [
    ("request_id", "S"), ("format_version", "N"), ("status", "S"), ("results", "L"), ("results[]", "M"),
    ("results[].category", "S"), ("results[].matches", "L"), ("results[].matches[]", "M"),
    ("results[].matches[].product_id", "S"), ("results[].matches[].score", "N"), ("results[].matches[].title", "S"),
    ("results[].matches[].attributes", "M"), ("... .brand", "S"), ("... .in_stock", "BOOL"), ("... .price", "N"),
    ("... .stock", "N"), ("... .beyond", "N"), ("... .tags", "L of S"), ("... .sizes", "L of N"), ("results_uri", "S"),
    ("error", "M"), ("error.code", "S"), ("error.message", "S"), ("error.retryable", "BOOL"), ("catalog_version", "S"),
    ("model_id", "S"), ("job_sha256", "S"), ("created_at", "S"), ("expires_at", "N"), ("metadata", "M of S"),
]

WHAT = {
    "score": "a score", "price": "39.9", "sum": "0.1 + 0.2", "third": "1/3", "stock": "12", "safe": "2^53 - 1",
    "beyond": "2^53 + 1", "most": "2^64 - 1", "least": "-2^63", "large": "1e20, a float", "small": "1.5e-100",
}


def measured(text, read):
    """The page with these readings in it."""
    parts = {"versions": versions(), "types": types(read), "numbers": numbers(read), "refusals": refusals(read)}
    for name, part in parts.items():
        mark = re.compile(rf"(<!-- measured: {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        if not mark.search(text):
            raise ValueError(f"docs/reading-records.md has no place for the measured {name}")
        text = mark.sub(lambda match: match[1] + part + match[2], text)
    return text


def versions():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    rust = next(package["version"] for package in lock if package["name"] == "aws-sdk-dynamodb")
    boto3 = re.search(r"^boto3==(.*)$", (ROOT / "examples/clients/python/requirements.txt").read_text(), re.M)[1]
    node = re.search(r'"@aws-sdk/lib-dynamodb": "(.*)"', (ROOT / "examples/clients/typescript/package.json").read_text())[1]
    return f"boto3 {boto3}, @aws-sdk/lib-dynamodb {node}, aws-sdk-dynamodb {rust}."


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines).replace("| --- ", "|---").replace("|--- |", "|---|")


def types(read):
    def cell(library, path):
        full = path.replace("... ", "results[].matches[].attributes")
        found = read[library]["types"][full]
        inner = read[library]["types"].get(f"{full}[]")
        return f"`{found}` of `{inner}`" if inner and path.startswith("...") else f"`{found}`"

    rows = [
        [f"`{path}`" if not path.startswith("...") else f"… `{path[4:]}`", kind]
        + [cell(library, path) for library in ("python", "javascript", "rust")]
        for path, kind in TYPES
    ]
    return table(["attribute", "DynamoDB", "boto3", "lib-dynamodb", "Rust, `from_item`"], rows)


def numbers(read):
    python, node, rust = read["python"], read["javascript"], read["rust"]
    columns = [node["texts"], python["numbers"], python["as float"], node["numbers"], node["spilled"], rust["numbers"]]
    rows = [[what] + [f"`{short(column[name])}`" for column in columns] for name, what in WHAT.items()]
    for name in WHAT:
        # 1E+20 and 100000000000000000000 are one Decimal.
        alike = Decimal(python["spilled"][name]) == Decimal(python["numbers"][name])
        if not alike or rust["spilled"][name] != rust["numbers"][name]:
            raise ValueError(f"{name} of a spilled result is read in another way")
    return table(["number", "N in the item", "boto3", "`float(...)` of it", "lib-dynamodb", "spilled, `JSON.parse`", "Rust"], rows)


def short(digits):
    return re.sub(r"0{20,}", lambda zeros: f"0…({len(zeros[0])} zeros)…0", digits) if len(digits) > 40 else digits


def refusals(read):
    python, node = read["python"], read["javascript"]
    rows = [
        ["boto3", "`json.dumps(record)`", python["json.dumps(record)"]],
        ["boto3", "`score * 0.5`", python["score * 0.5"]],
        ["boto3", '`Decimal("0.2") >= 0.2`', "`%s`" % python['Decimal("0.2") >= 0.2']],
        ["boto3", '`float(Decimal("0.2")) >= 0.2`', "`%s`" % python['float(Decimal("0.2")) >= 0.2']],
        ["lib-dynamodb", "`JSON.stringify(record)` with a bigint in it", node["JSON.stringify(record)"]],
        ["lib-dynamodb", "`beyond * 2`", node["beyond * 2"]],
        ["lib-dynamodb", "`wrapNumbers: true`", f"each number, scores too, is a `{node['wrapped']}`"],
    ]
    return table(["library", "what", "what comes of it"], rows)
