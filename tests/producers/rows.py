"""The rows of the table: what writes a file, and what has to come of it."""

import dataclasses
import inspect
import textwrap

from products import PRODUCTS

TABLE = []


@dataclasses.dataclass
class Row:
    name: str
    """`producer/what is special`."""
    producer: str
    """With its version."""
    file: str
    """The name that it is written under; a folder has no suffix."""
    call: str
    write: object
    expected: object
    """The products that have to be read; or a function that takes the path, where the text of the file decides."""
    refused: str | None
    """A pattern of the message, where the file has to be refused."""
    arguments: list
    """Of `nearline catalog build`, beside the usual ones."""
    attributes: dict | None = None
    """The columns that `--attributes all` has to keep, each with its type in the catalog (or none) and its values."""


def writer(producer, version):
    """A decorator for functions that take a path and write there. Their body is what the table shows as the call."""

    def writes(name, file, expected=PRODUCTS, refused=None, arguments=(), attributes=None):
        def register(function):
            TABLE.append(
                Row(f"{producer}/{name}", f"{producer} {version}", file, call(function), function, expected, refused,
                    list(arguments), attributes)
            )
            return function

        return register

    return writes


def call(function):
    body = inspect.getsource(function).split("):\n", 1)[1]
    lines = [line.strip() for line in textwrap.dedent(body).splitlines() if line.strip()]
    return "; ".join(lines).replace(":; ", ": ")

