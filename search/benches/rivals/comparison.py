"""The rounds: engine after engine, again and again, so that what slows the machine down for a while slows all of them.

Limits are measured in each round, too; the best round counts, because a limit is what can be reached. An engine's speed
is the median of its rounds, its ratios the medians of those within the rounds: to the anchor, FAISS with BLAS; to the
faster of the two FAISS settings (for few queries that is FAISS as shipped, without BLAS); and of nearline to it. All
three answer the same question as the engine: the top k of all rows, or of each category.
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

import faiss_engines
import other_engines
from engines import Nearline, Rival
from oracle import Oracle
from subject import Subject, build

# Threads of the engine before go to sleep in it.
PAUSE_SECONDS = 0.02
SGEMM_SIZE = 2_048
# By the question, as in faiss_engines.
NEARLINE = {"none": "nearline", "category": "nearline per category"}


def run(options, dataset):
    catalog, queries = dataset.catalog, dataset.queries
    with contextlib.ExitStack() as stack:

        def start(executable):
            return stack.enter_context(Subject(executable, dataset, options.threads, options.kernel))

        print("nearline ...", file=sys.stderr)
        subject = start(build())
        earlier = start(options.against) if options.against else None
        print("oracle ...", file=sys.stderr)
        oracles = {"none": Oracle(catalog, queries, None, options.top_k)}
        if dataset.categories is not None:
            oracles["category"] = Oracle(catalog, queries, dataset.categories, options.top_k)
        print("rivals ...", file=sys.stderr)
        field = [*rivals(options, dataset), *ours(options, subject, earlier, oracles)]
        limits = Limits(subject, catalog, options.threads)
        batches = [measure(options, batch, field, oracles, limits, catalog.size) for batch in options.batches]
        ready = {"index": subject.ready, "earlier_index": earlier and {"executable": options.against} | earlier.ready}
    del field
    gc.collect()
    return {
        "vectors": dataset.name, "rows": len(catalog), "dimension": catalog.shape[1], "queries": len(queries),
        "categories": None if dataset.categories is None else int(dataset.categories.max()) + 1,
        "top_k": options.top_k, "threads": options.threads, "pairs": options.pairs,
        "machine": machine(), **ready, "limits": limits.best, "batches": batches,
        "rankings_checked": sum(oracle.rankings for oracle in oracles.values()),
        "scores_one_step_off": sum(oracle.stepped for oracle in oracles.values()),
        "faults": [fault for oracle in oracles.values() for fault in oracle.faults],
    }


def rivals(options, dataset):
    """FAISS at both thresholds, for each question, then those that were asked for."""
    catalog, queries, top_k = dataset.catalog, dataset.queries, options.top_k
    faiss.omp_set_num_threads(options.threads)
    yield from faiss_engines.flat(catalog, queries, top_k)
    if dataset.categories is not None:
        yield from faiss_engines.flat_per_category(catalog, queries, dataset.categories, top_k)
    if "panorama" in options.only:
        yield from faiss_engines.panorama(catalog, queries, top_k)
    yield from other_engines.rivals(options.only, catalog, queries, top_k, options.threads)


def ours(options, subject, earlier, questions):
    for group_by in questions:
        name = NEARLINE[group_by]
        yield Nearline(name, subject, options.top_k, options.threads, group_by)
        if earlier:
            yield Nearline(f"{name}, earlier build", earlier, options.top_k, options.threads, group_by)
    if options.threads > 1:
        yield Nearline("nearline, one thread", subject, options.top_k, 1)
    if "brute-force" in options.only:
        yield Nearline("nearline, brute force", subject, options.top_k, options.threads, engine="brute_force")


def measure(options, batch, field, oracles, limits, components):
    rounds, results = play(options, batch, field, oracles, limits.measure)
    for engine, result in zip(field, results):
        speed = result["queries_per_second"]
        own = rounds[engine.question, engine.name]
        names = faiss_engines.ANCHOR, faiss_engines.SHIPPED, NEARLINE
        anchor, shipped, nearline = (rounds[engine.question, of[engine.question]] for of in names)
        result |= {
            "group_by": engine.question,
            "ratio": spread(own, anchor),
            "ratio_to_faster_faiss": spread(own, [max(both) for both in zip(anchor, shipped)]),
            "nearline_ratio": spread(nearline, own),
            "gigabytes_per_second": speed / batch * components * engine.component_bytes / 1e9,
            "gigamacs_per_second": speed * components / 1e9,
            "component_bytes": engine.component_bytes,
        }
    return {"batch": batch, "engines": results}


def play(options, batch, field, oracles, after_round=lambda: None):
    """A round to warm up and to look at what is found, then the rounds that count.

    The speeds of each engine in each round, by question and name; and what is to be said of it alone.
    """
    judged = {}
    for engine in field:
        if not isinstance(engine, Rival):
            checked_turn(engine, batch, 0, oracles)
        elif found := engine.found(batch):
            judged[engine.question, engine.name] = oracles[engine.question].judge(*found)
        else:
            engine.turn(batch, 0)
    turns = {(engine.question, engine.name): [] for engine in field}
    for number in range(options.pairs):
        print(f"batch {batch}: round {number + 1} of {options.pairs}", file=sys.stderr)
        # There and back, so that no engine always has the same one before it.
        for engine in field if number % 2 == 0 else field[::-1]:
            time.sleep(PAUSE_SECONDS)
            turns[engine.question, engine.name].append(checked_turn(engine, batch, options.seconds, oracles))
        time.sleep(PAUSE_SECONDS)
        after_round()
    rounds = {key: [turn.queries_per_second for turn in of_engine] for key, of_engine in turns.items()}
    results = []
    for engine in field:
        key = engine.question, engine.name
        share_found, score_error = judged.get(key, (None, None))
        result = {
            "engine": engine.name, "queries_per_second": statistics.median(rounds[key]), "rounds": rounds[key],
            "share_found": share_found, "largest_score_error": score_error,
        }
        if isinstance(engine, Nearline):
            result["rescored_fraction"] = statistics.median(turn.rescored_fraction for turn in turns[key])
            result["row_set_seconds"] = statistics.median(turn.row_set_seconds for turn in turns[key])
        results.append(result)
    return rounds, results


def checked_turn(engine, batch, seconds, oracles):
    turn = engine.turn(batch, seconds)
    if turn.rankings is not None:
        oracle = oracles[engine.question]
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
