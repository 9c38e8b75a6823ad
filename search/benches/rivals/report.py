"""What is printed, and the JSON file."""

import json
import statistics
import sys

# From this batch on an engine is held against the multiplier, below it against reading the catalog.
COMPUTING_BATCH = 2


def heading(result):
    threads = "1 thread" if result["threads"] == 1 else f"{result['threads']} threads"
    print(f"\n{result['rows']:,} x {result['dimension']} {result['vectors']}, top {result['top_k']}, {threads}, "
          f"{result['pairs']} rounds; {result['machine']['processor']}")


def table(result):
    heading(result)
    limits = result["limits"]
    for name, index in [("nearline", result["index"]), ("earlier build", result["earlier_index"])]:
        if index:
            print(f"{name}: kernel {index['kernel']}, built in {index['build_seconds']:.2f} s, "
                  f"{index['memory_bytes'] / result['rows'] / result['dimension']:.2f} bytes a component")
    print(f"limits: reading {limits['read_4_byte_components_gigabytes_per_second']:.1f} GB/s (f32 rows), "
          f"{limits['read_1_byte_components_gigabytes_per_second']:.1f} GB/s (as many bytes as codes have); "
          f"sgemm {limits['sgemm_gigamacs_per_second']:.1f} GMAC/s")
    for batch in result["batches"]:
        reading = batch["batch"] < COMPUTING_BATCH
        unit, limit = ("GB/s", "of reading") if reading else ("GMAC/s", "of sgemm")
        for group_by in unique(engine["group_by"] for engine in batch["engines"]):
            whole = "all" if group_by == "none" else f"each of {result['categories']:,} categories"
            title = f"batch {batch['batch']}, top {result['top_k']} of {whole}"
            print(f"\n{title:40}{'queries/s':>10}{'ratio':>8}{'min..max':>14}{'to faster':>11}{'nearline':>10}"
                  f"{unit:>9}{limit:>12}{'found':>8}{'off by':>9}{'rescored':>10}")
            for engine in batch["engines"]:
                if engine["group_by"] == group_by:
                    print(line(engine, limits, reading))
    shares(result)


def unique(values):
    """In order of appearance."""
    return dict.fromkeys(values)


def line(engine, limits, reading):
    if reading:
        speed = engine["gigabytes_per_second"]
        limit = limits[f"read_{engine['component_bytes']}_byte_components_gigabytes_per_second"]
    else:
        speed, limit = engine["gigamacs_per_second"], limits["sgemm_gigamacs_per_second"]
    ratio = engine["ratio"]
    min_max = f"{ratio['min']:.2f}..{ratio['max']:.2f}"
    return (
        f"{engine['engine']:40}{engine['queries_per_second']:>10,.0f}{ratio['median']:>8.2f}{min_max:>14}"
        f"{engine['ratio_to_faster_faiss']['median']:>11.2f}{engine['nearline_ratio']['median']:>10.2f}"
        f"{speed:>9.1f}{speed / limit:>12.0%}{checks(engine)}"
    )


def filtered_table(result):
    heading(result)
    print(f"nearline: kernel {result['index']['kernel']}, built in {result['index']['build_seconds']:.2f} s")
    for batch in result["batches"]:
        for question in unique(engine["question"] for engine in batch["engines"]):
            title = f"batch {batch['batch']}, {question}"
            print(f"\n{title:40}{'queries/s':>11}{'to unfiltered':>15}{'min..max':>16}{'nearline':>10}{'found':>8}"
                  f"{'off by':>9}{'rescored':>10}{'row set':>10}")
            for engine in batch["engines"]:
                if engine["question"] == question:
                    print(filtered_line(engine))
    print()
    for batch in result["batches"]:
        for engine in batch["engines"]:
            if "ratio_to_fastest_rival" in engine:
                own, fastest = (engine[key] for key in ["ratio_to_unfiltered", "ratio_to_fastest_rival"])
                print(f"batch {batch['batch']}, {engine['question']}: nearline is {spread(own)} times as fast as "
                      f"without a filter, and {spread(fastest)} times as fast as the fastest rival")


def filtered_line(engine):
    ratio, row_set = engine["ratio_to_unfiltered"], engine.get("row_set_seconds")
    min_max = f"{figure(ratio['min'])}..{figure(ratio['max'])}"
    line = (
        f"{engine['engine']:40}{engine['queries_per_second']:>11,.0f}{figure(ratio['median']):>15}{min_max:>16}"
        f"{figure(engine['nearline_ratio']['median']):>10}{checks(engine)}"
        f"{f'{row_set * 1e3:.3f} ms' if row_set else '':>10}"
    )
    return line.rstrip()


def figure(number):
    """A ratio that may be far from 1."""
    return f"{number:.2g}" if number < 0.1 else f"{number:.2f}" if number < 100 else f"{number:,.0f}"


def checks(engine):
    """What was found, and what nearline rescored, as far as an engine has it."""
    found, error, rescored = (engine.get(key) for key in ["share_found", "largest_score_error", "rescored_fraction"])
    return (
        f"{'' if found is None else f'{found:.1%}':>8}{'' if error is None else f'{error:.0e}':>9}"
        f"{'' if rescored is None else f'{rescored:.3%}':>10}"
    )


def shares(result):
    """What is not about rivals, from the same rounds: what changed, the cost of categories, and the gain by threads."""
    print()
    for batch in result["batches"]:
        engines = {engine["engine"]: engine for engine in batch["engines"]}
        for name, engine in engines.items():
            if name.endswith(", earlier build"):
                print(f"batch {batch['batch']}: {name.removesuffix(', earlier build')} is "
                      f"{spread(engine['nearline_ratio'])} times as fast as its earlier build")
            if name == "nearline per category":
                ratios = [whole / part for whole, part in zip(engines["nearline"]["rounds"], engine["rounds"])]
                cost = {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
                print(f"batch {batch['batch']}: top {result['top_k']} of each of {result['categories']} categories "
                      f"takes {spread(cost)} times as long as of all")
            if name == "nearline, one thread":
                print(f"batch {batch['batch']}: {result['threads']} threads are {spread(engine['nearline_ratio'])} "
                      "times as fast as one")


def spread(ratio):
    return f"{figure(ratio['median'])} ({figure(ratio['min'])}..{figure(ratio['max'])})"


def targets(results, wanted):
    others = {"ratio": "faiss, BLAS threshold 20", "ratio_to_faster_faiss": "the faster faiss setting"}
    for key, of in others.items():
        print(f"\n{'ratio to ' + of:38}" + "".join(f"{f'batch {batch}':>20}" for batch in wanted))
        for result in results:
            cells = [target(batch, key, wanted[batch["batch"]]) for batch in result["batches"]]
            shape = f"{result['rows']:>11,} x {result['dimension']}"
            print(f"{shape:38}" + "".join(f"{cell:>20}" for cell in cells))


def target(batch, key, least):
    [median] = [engine[key]["median"] for engine in batch["engines"] if engine["engine"] == "nearline"]
    return f"{median:.2f} >= {least} {'met' if median >= least else 'missed'}"


def verdict(results):
    """The exit code: whether every ranking was right."""
    faults = [fault for result in results for fault in result["faults"]]
    checked = sum(result["rankings_checked"] for result in results)
    stepped = sum(result["scores_one_step_off"] for result in results)
    print(f"\n{checked:,} rankings of nearline compared with float64: {'WRONG' if faults else 'all equal'}; "
          f"{stepped} scores one float32 step away, by the order of float64 sums")
    for fault in faults[:5]:
        print(f"compare: wrong: {fault}", file=sys.stderr)
    return 1 if faults else 0


def write(path, results):
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
    except OSError as error:
        sys.exit(f"compare: cannot write {path}: {error.strerror}")
