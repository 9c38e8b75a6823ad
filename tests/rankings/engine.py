"""What every engine here is asked through, whatever it calls things itself."""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Way:
    """One way to search with one engine: a class of index, a function, a table with or without an index."""

    name: str
    package: str
    # How it is asked, for the page.
    call: str
    # Of rows, their ids, and the measure (cosine, ip or l2): an index, a table or whatever is asked.
    build: Callable
    # Of that, queries, k, and the ids that may pass (None: all): a list of (id, value) for each query.
    ask: Callable
    # By measure, the formula that makes a cosine, a product or a distance of a value.
    measures: dict[str, str]
    filters: bool = True
    # What must not be asked, as it makes the engine read memory that is not its own, or ends it.
    never: tuple[str, ...] = ()
    # The only question it is there for; none: all.
    only: str = ""
    # As the page has it: package and version, unless something else is said.
    version: str = ""

    def __post_init__(self):
        self.version = self.version or f"{self.package} {importlib.metadata.version(self.package)}"

    def answers(self, rows, queries, k, measure="cosine", ids=None, passing=None):
        """What comes back for each query. Raises Refused."""
        ids = list(range(len(rows))) if ids is None else ids
        try:
            index = self.build(np.array(rows, np.float32), ids, measure)
            return [[(int(i), None if value is None else float(value)) for i, value in answer]
                    for answer in self.ask(index, np.array(queries, np.float32), k, passing)]
        except Exception as error:
            raise Refused(f"{type(error).__name__}: {error}") from error

    def true(self, value, measure="cosine"):
        """The cosine, product or distance that a value stands for."""
        return eval(self.measures[measure], {"sqrt": np.sqrt, "value": value})


class Refused(Exception):
    """By an exception of whatever kind."""


def listed(numbers):
    return ", ".join(map(str, sorted(numbers)))
