"""The rounds: engine after engine, again and again, so that what slows the machine down for a while slows all of them.

Limits are measured in each round, too; the best round counts, because a limit is what can be reached. An engine's speed
is the median of its rounds, its ratio the median of the ratios to the anchor, FAISS with BLAS, in the same round. For
few queries FAISS is faster as shipped, without BLAS: so there is the ratio to the faster of the two as well.
"""

import contextlib
import gc
import platform
import statistics
import sys
import time

import faiss
import numpy as np
import usearch

import engines
from oracle import Oracle
from subject import Subject

# Threads of the engine before go to sleep in it.
PAUSE_SECONDS = 0.02
SGEMM_SIZE = 2_048


def run(options, dataset):
    catalog, queries = dataset.catalog, dataset.queries
    print("nearline ...", file=sys.stderr)
    with Subject(dataset, options.threads, options.kernel) as subject:
        print("oracle ...", file=sys.stderr)
        oracles = {"none": Oracle(catalog, queries, None, options.top_k)}
        if dataset.categories is not None:
            oracles["category"] = Oracle(catalog, queries, dataset.categories, options.top_k)
        print("rivals ...", file=sys.stderr)
        field = list(engines.rivals(options.only, catalog, queries, options.top_k, options.threads))
        field += ours(options, subject, dataset.categories)
        limits = Limits(subject, catalog, options.threads)
        batches = [measure(options, batch, field, oracles, limits, catalog.size) for batch in options.batches]
        ready = subject.ready
    del field
    gc.collect()
    return {
        "vectors": dataset.name, "rows": len(catalog), "dimension": catalog.shape[1], "queries": len(queries),
        "categories": None if dataset.categories is None else int(dataset.categories.max()) + 1,
        "top_k": options.top_k, "threads": options.threads, "pairs": options.pairs,
        "machine": machine(), "index": ready, "limits": limits.best, "batches": batches,
        "rankings_checked": sum(oracle.rankings for oracle in oracles.values()),
        "scores_one_step_off": sum(oracle.stepped for oracle in oracles.values()),
        "faults": [fault for oracle in oracles.values() for fault in oracle.faults],
    }


def ours(options, subject, categories):
    yield engines.Nearline("nearline", subject, options.top_k, options.threads)
    if categories is not None:
        name = f"nearline, each of {subject.ready['categories']} categories"
        yield engines.Nearline(name, subject, options.top_k, options.threads, group_by="category")
    if options.threads > 1:
        yield engines.Nearline("nearline, one thread", subject, options.top_k, 1)
    if "brute-force" in options.only:
        name = "nearline, brute force"
        yield engines.Nearline(name, subject, options.top_k, options.threads, engine="brute_force")


def measure(options, batch, field, oracles, limits, components):
    """One batch size: a round to warm up and to look at what is found, then the rounds that count."""
    found = {}
    for engine in field:
        if isinstance(engine, engines.Rival):
            rows = engine.found(batch)
            found[engine.name] = None if rows is None else oracles["none"].share_found(rows)
        else:
            checked_turn(engine, batch, 0, oracles)
    rounds = {engine.name: [] for engine in field}
    rescored = {engine.name: [] for engine in field}
    for number in range(options.pairs):
        print(f"batch {batch}: round {number + 1} of {options.pairs}", file=sys.stderr)
        for engine in field:
            time.sleep(PAUSE_SECONDS)
            turn = checked_turn(engine, batch, options.seconds, oracles)
            rounds[engine.name].append(turn.queries_per_second)
            rescored[engine.name].append(turn.rescored_fraction)
        time.sleep(PAUSE_SECONDS)
        limits.measure()
    anchor = rounds[engines.ANCHOR]
    faster = [max(both) for both in zip(anchor, rounds[engines.SHIPPED])]
    results = []
    for engine in field:
        speed = statistics.median(rounds[engine.name])
        result = {
            "engine": engine.name, "queries_per_second": speed, "rounds": rounds[engine.name],
            "ratio": spread(rounds[engine.name], anchor),
            "ratio_to_faster_faiss": spread(rounds[engine.name], faster),
            "gigabytes_per_second": speed / batch * components * engine.component_bytes / 1e9,
            "gigamacs_per_second": speed * components / 1e9,
            "component_bytes": engine.component_bytes,
            "share_found": found.get(engine.name),
        }
        if isinstance(engine, engines.Nearline):
            result["rescored_fraction"] = statistics.median(rescored[engine.name])
        results.append(result)
    return {"batch": batch, "engines": results}


def checked_turn(engine, batch, seconds, oracles):
    turn = engine.turn(batch, seconds)
    if turn.rankings is not None:
        oracle = oracles[engine.group_by]
        oracle.check(turn.rankings, f"{engine.name}, batch {batch}")
        if turn.not_repeated:
            oracle.faults.append(f"{engine.name}, batch {batch}: {turn.not_repeated} later answers differ")
    return turn


def spread(speeds, others):
    ratios = [speed / other for speed, other in zip(speeds, others)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


class Limits:
    """What the machine can do with this many threads: reading as many bytes as an engine does, and f32 products."""

    def __init__(self, subject, catalog, threads):
        self._subject = subject
        self._threads = threads
        self._bytes = {1: catalog.size, 4: catalog.size * 4}
        self._square = np.random.default_rng(1).standard_normal((SGEMM_SIZE, SGEMM_SIZE), dtype=np.float32)
        self._product = np.empty_like(self._square)
        self.best = {"sgemm_gigamacs_per_second": 0.0} | {self.name(bytes_each): 0.0 for bytes_each in self._bytes}

    @staticmethod
    def name(component_bytes):
        return f"read_{component_bytes}_byte_components_gigabytes_per_second"

    def measure(self):
        for bytes_each, size in self._bytes.items():
            answer = self._subject.ask(op="read_limit", bytes=size, threads=self._threads)
            self._raise(self.name(bytes_each), answer["gigabytes_per_second"])
        start = time.perf_counter()
        np.matmul(self._square, self._square, out=self._product)
        self._raise("sgemm_gigamacs_per_second", SGEMM_SIZE**3 / (time.perf_counter() - start) / 1e9)

    def _raise(self, name, speed):
        self.best[name] = max(self.best[name], speed)


def machine():
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    versions = {"faiss": faiss.__version__, "numpy": np.__version__, "usearch": usearch.__version__}
    return {"processor": name, "system": platform.system(), "python": platform.python_version()} | versions
