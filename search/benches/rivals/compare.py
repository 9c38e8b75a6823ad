"""Runs nearline-search and other exact engines on the same vectors in turn, and prints ratios and shares of limits.

`make compare ARGS="..."` starts it in an environment that has the others. Every ranking of nearline is compared with a
float64 oracle. Exit code 0: done; 1: failed, or a ranking was wrong; 2: wrong usage. Missed targets are no failure:
they hold for the machines in docs/benchmarks.md.
"""

import argparse
import os
import signal
import sys

sys.dont_write_bytecode = True

TARGET_ROWS_AND_DIMENSIONS = [(100_000, 384), (1_000_000, 384), (100_000, 1_024)]
TARGET_RATIOS = {1: 3.5, 10: 3.0, 64: 2.5}
RIVALS = ["panorama", "numpy", "usearch", "usearch-i8", "numkong", "numkong-i8", "brute-force"]
FILTERING_RIVALS = ["numpy", "lancedb", "qdrant"]


def parse():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=count, metavar="N", help="clustered rows (default 100,000)")
    add("--dimension", type=count, metavar="D", help="their dimension (default 384)")
    add("--vectors", default="clustered", metavar="clustered|FILE.npy",
        help="unit vectors around 1,000 seeded centres, or n x D float16 or float32 of your own, brought to length 1; "
        "512 of them become the queries and leave the catalog")
    add("--repeat-to", type=count, metavar="N", help="repeat the rows of FILE.npy up to N, with noise")
    add("--noise", type=float, default=0.02, metavar="LENGTH", help="of the vector added to a repeated row (0.02)")
    add("--categories", metavar="C|FILE.csv",
        help="also the top k of each category, by nearline and by one flat faiss index a category: each row's is the "
        "nearest of C seeded rows, or the column `category` of a CSV with one line for each row of FILE.npy")
    add("--filtered", action="store_true",
        help="filtered search instead: nearline without a filter and with half, a tenth, a hundredth and a "
        "ten-thousandth of the rows passing, by one filter and by one for each query, beside others that filter")
    add("--batches", type=counts, metavar="B,B,...", help="queries a call (1,10,64; with --filtered 1,64)")
    add("--top-k", type=count, default=10, metavar="K", help="1 to 1,000 (10)")
    add("--threads", type=count, default=1, metavar="T", help="of each engine (1)")
    add("--pairs", type=count, default=5, metavar="N", help="rounds in which each engine has its turn (5)")
    add("--seconds", type=float, default=0.2, metavar="S", help="the least time of a turn (0.2)")
    add("--only", type=lambda text: [] if text == "none" else text.split(","), metavar="NAME,...",
        help=f"beside flat faiss indexes and nearline: none, or some of {', '.join(RIVALS)}, with --filtered of "
        f"{', '.join(FILTERING_RIVALS)} (all)")
    add("--kernel", metavar="NAME", help="nearline's, instead of the one it chooses")
    add("--against", type=os.path.abspath, metavar="PATH",
        help="also an earlier build of nearline: the executable that `cargo bench --package nearline-search --no-run "
        "--bench subject` names in its sources")
    add("--suite", action="store_true", help="all sizes and batches that have a target, and whether it is met")
    add("--json", metavar="FILE", help="write every figure there, too")
    options = parser.parse_args()
    refusal = contradiction(options)
    if refusal:
        parser.error(refusal)
    options.batches = options.batches or ([1, 64] if options.filtered else [1, 10, 64])
    options.only = rivals(options) if options.only is None else options.only
    return options


def rivals(options):
    return FILTERING_RIVALS if options.filtered else RIVALS


def contradiction(options):
    """What does not go together in the options, or None."""
    of_clustered = options.rows or options.dimension
    if options.suite and (of_clustered or options.vectors != "clustered" or options.batches):
        return "--suite has rows, dimensions, vectors and batches of its own"
    if options.filtered and (options.suite or options.categories):
        return "--filtered asks other questions than --suite and --categories"
    unknown = sorted(set(options.only or []) - set(rivals(options)))
    if unknown:
        return f"no rival is called {unknown[0]} here; there are {', '.join(rivals(options))}"
    if options.vectors == "clustered" and options.repeat_to:
        return "--repeat-to repeats the rows of a FILE.npy; clustered vectors have --rows"
    if options.vectors == "clustered" and options.categories and not options.categories.isdigit():
        return "a CSV of categories belongs to a FILE.npy"
    if options.vectors != "clustered" and options.rows:
        return "--rows is for clustered vectors; FILE.npy has its own, and --repeat-to makes more of them"
    if options.categories == "0":
        return "--categories must be above 0"
    if options.against and not os.access(options.against, os.X_OK):
        return f"{options.against} is not an executable; --against takes an earlier build of search/benches/subject.rs"
    if options.top_k > 1_000:
        return "--top-k must be 1 to 1,000"
    return None


def count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def counts(text):
    numbers = [count(part) for part in text.split(",")]
    if max(numbers) > 512:
        raise argparse.ArgumentTypeError("there are 512 queries, so a batch has at most as many")
    return numbers


def limit_threads(threads):
    """To be called before NumPy, FAISS and the libraries under them are loaded: that is when they look."""
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]:
        os.environ[name] = str(threads)
    # A thread that spins after its work takes the core from the engine whose turn comes next.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def limit_processors(count):
    """LanceDB starts threads as it likes: it, and for equal terms all others, get as many processors as threads."""
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("compare: --filtered needs Linux: LanceDB cannot be held to a number of threads in another way")
    processors = sorted(os.sched_getaffinity(0))
    if count > len(processors):
        sys.exit(f"compare: --threads {count} is more than the {len(processors)} processors here")
    os.sched_setaffinity(0, processors[-count:])


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit_threads(options.threads)
    import comparison
    import report
    import vectors

    kind, table = comparison, report.table
    if options.filtered:
        import subject

        subject.build()
        limit_processors(options.threads)
        import filtered

        kind, table = filtered, report.filtered_table

    if options.json:
        report.write(options.json, [])
    shapes = TARGET_ROWS_AND_DIMENSIONS if options.suite else [(options.rows, options.dimension)]
    results = []
    for rows, dimension in shapes:
        dataset = vectors.load(options, rows, dimension)
        results.append(kind.run(options, dataset))
        del dataset
        table(results[-1])
        if options.json:
            report.write(options.json, results)
    if options.suite:
        report.targets(results, TARGET_RATIOS)
    return report.verdict(results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
