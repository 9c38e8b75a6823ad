"""Filtered search: nearline without a filter and, at each share of rows that pass, beside engines that filter exactly.

Of each share there are two questions, one filter for all queries and a different one for each. All engines have a turn
for each question in each round (comparison.py), so ratios are those within a round: to nearline without a filter, and
of nearline to the engine and to the fastest of its rivals.
"""

import contextlib
import gc
import importlib.metadata
import sys

import filtered_engines
import filters
from comparison import machine, play, spread
from engines import Nearline
from oracle import Oracle
from subject import Subject, build

UNFILTERED = "all rows"


def run(options, dataset):
    catalog, queries = dataset.catalog, dataset.queries
    questions = list(filters.questions(len(catalog)))
    with contextlib.ExitStack() as stack:

        def start(executable):
            return stack.enter_context(Subject(executable, dataset, options.threads, options.kernel))

        print("nearline ...", file=sys.stderr)
        subjects = {"nearline": start(build())}
        if options.against:
            subjects["nearline, earlier build"] = start(options.against)
        print("oracle ...", file=sys.stderr)
        names = [UNFILTERED, *(question.name for question in questions)]
        oracles = dict(zip(names, Oracle.of_each(catalog, queries, options.top_k, [None, *questions])))
        print("rivals ...", file=sys.stderr)
        field = [
            *ours(options, subjects, questions),
            *filtered_engines.rivals(options, catalog, queries, questions),
        ]
        field.sort(key=lambda engine: names.index(engine.question))
        batches = [measure(options, batch, field, oracles, questions) for batch in options.batches]
        ready = {"index": subjects["nearline"].ready}
    del field
    gc.collect()
    return {
        "vectors": dataset.name, "rows": len(catalog), "dimension": catalog.shape[1], "queries": len(queries),
        "top_k": options.top_k, "threads": options.threads, "pairs": options.pairs, "machine": machine() | versions(),
        **ready, "batches": batches,
        "rankings_checked": sum(oracle.rankings for oracle in oracles.values()),
        "scores_one_step_off": sum(oracle.stepped for oracle in oracles.values()),
        "faults": [fault for oracle in oracles.values() for fault in oracle.faults],
    }


def ours(options, subjects, questions):
    for name, subject in subjects.items():
        yield Nearline(name, subject, options.top_k, options.threads, UNFILTERED)
        for number, question in enumerate(questions):
            path = subject.write_filters(f"filters-{number}.u64", question.bitmaps())
            yield Nearline(name, subject, options.top_k, options.threads, question.name, filters=path)


def measure(options, batch, field, oracles, questions):
    rounds, results = play(options, batch, field, oracles)
    unfiltered = rounds[UNFILTERED, "nearline"]
    shares = {question.name: question.share for question in questions}
    for engine, result in zip(field, results):
        own, nearline = rounds[engine.question, engine.name], rounds[engine.question, "nearline"]
        result |= {
            "question": engine.question, "share": shares.get(engine.question, 1),
            "ratio_to_unfiltered": spread(own, unfiltered), "nearline_ratio": spread(nearline, own),
        }
        rivals = [speeds for (question, name), speeds in rounds.items()
                  if question == engine.question and not name.startswith("nearline")]
        if engine.name == "nearline" and rivals:
            result["ratio_to_fastest_rival"] = spread(own, [max(speeds) for speeds in zip(*rivals)])
    return {"batch": batch, "engines": results}


def versions():
    """Of engines that `machine` does not name, if they are there."""
    found = {}
    for package in ["lancedb", "qdrant-edge-py"]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
