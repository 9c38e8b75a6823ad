"""What boto3 makes of a record: types by path, and how numbers show. Arguments: a record, one with spilled results, one
that was rejected."""

import json
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples/clients/python"))
sys.dont_write_bytecode = True

import reader
from reader import Decimal


def types(value, path=""):
    """The type of each value; of a list that of its first element."""
    found = {path: type(value).__name__}
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= types(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and value:
        found |= types(value[0], f"{path}[]")
    return found


def refusal(act):
    try:
        act()
    except TypeError as error:
        return str(error)
    return "nothing"


def first(record):
    return next(group["matches"][0] for group in reader.results(record) if group["category"] == "readings")


def numbers(match):
    values = {"score": match["score"]} | match["attributes"]
    return {name: value for name, value in values.items() if isinstance(value, Decimal)}


records, missing = reader.wait(sys.argv[1:], 30)
assert not missing, missing
inline, spilled, rejected = (records[id] for id in sys.argv[1:])
match = first(inline)
score = match["score"]
print(json.dumps({
    "types": types(inline) | types(rejected) | types(spilled)
    | types(match["attributes"], "results[].matches[].attributes"),
    "numbers": {name: str(value) for name, value in numbers(match).items()},
    "spilled": {name: str(value) for name, value in numbers(first(spilled)).items()},
    "as float": {name: repr(float(value)) for name, value in numbers(match).items()},
    "score as float32": struct.pack("<f", float(score)).hex(),
    "json.dumps(record)": refusal(lambda: json.dumps(inline)),
    "score * 0.5": refusal(lambda: score * 0.5),
    'Decimal("0.2") >= 0.2': Decimal("0.2") >= 0.2,
    'float(Decimal("0.2")) >= 0.2': float(Decimal("0.2")) >= 0.2,
}))
