"""The catalog, its queries and its categories: float32 rows of length 1, the same for every engine and every run."""

import csv
import sys
from dataclasses import dataclass

import numpy as np

SEED = 7
QUERIES = 512
CENTRES = 1_000
BLOCK_ROWS = 50_000


@dataclass
class Dataset:
    name: str
    catalog: np.ndarray
    queries: np.ndarray
    # A number for each row, by first appearance; None if the run is not about categories.
    categories: np.ndarray | None


def load(options, rows, dimension):
    print("vectors ...", file=sys.stderr)
    rng = np.random.default_rng(SEED)
    if options.vectors == "clustered":
        name = "clustered"
        catalog, queries = clustered(rng, rows or 100_000, dimension or 384)
        labels = None
    else:
        name = options.vectors.rpartition("/")[2]
        whole = read(options.vectors, dimension)
        order = rng.permutation(len(whole))
        whole = whole[order]
        catalog, queries = whole[:-QUERIES], whole[-QUERIES:]
        labels = None
        if options.categories and not options.categories.isdigit():
            labels = read_categories(options.categories, len(order))[order[:-QUERIES]]
        if options.repeat_to:
            if options.repeat_to < len(catalog):
                sys.exit(f"compare: --repeat-to {options.repeat_to} is less than the catalog's {len(catalog)} rows")
            name += f" repeated with noise {options.noise:g}"
            catalog, labels = repeated(rng, catalog, labels, options.repeat_to, options.noise)
    seeds = int(options.categories) if options.categories and labels is None else 0
    if len(catalog) < max(options.top_k, seeds):
        sys.exit(f"compare: {len(catalog):,} rows are too few for {max(options.top_k, seeds):,} matches or categories")
    if seeds:
        labels = nearest_of(catalog[rng.choice(len(catalog), seeds, replace=False)], catalog)
    return Dataset(name, catalog, queries, None if labels is None else by_first_appearance(labels))


def clustered(rng, rows, dimension):
    """Rows at half a centre's length from one of the centres, and queries like them."""
    centres = unit(rng.standard_normal((CENTRES, dimension), dtype=np.float32))
    vectors = np.empty((rows + QUERIES, dimension), np.float32)
    for block in blocks(vectors):
        near = centres[rng.integers(CENTRES, size=len(block))]
        block[:] = unit(near + noise(rng, block.shape, 0.5))
    return vectors[:rows], vectors[rows:]


def read(path, dimension):
    try:
        vectors = np.load(path, allow_pickle=False)
    except OSError as error:
        sys.exit(f"compare: cannot read {path}: {error.strerror}")
    except (ValueError, EOFError):
        sys.exit(f"compare: {path} is not a .npy file of numbers")
    if vectors.dtype not in (np.float16, np.float32) or vectors.ndim != 2:
        shape = " x ".join(map(str, vectors.shape))
        sys.exit(f"compare: {path} holds {vectors.dtype} of shape {shape}; it must be float16 or float32, n x D")
    if dimension and vectors.shape[1] != dimension:
        sys.exit(f"compare: {path} has {vectors.shape[1]} dimensions, not the {dimension} of --dimension")
    if len(vectors) < 2 * QUERIES:
        sys.exit(f"compare: {path} has {len(vectors)} rows, but {QUERIES} become queries: {2 * QUERIES} are the least")
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    unusable = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(unusable):
        sys.exit(f"compare: row {unusable[0]} of {path} has no direction: it is all zeros, or not finite")
    return unit(vectors)


def read_categories(path, rows):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            names = [line["category"] for line in csv.DictReader(file)]
    except OSError as error:
        sys.exit(f"compare: cannot read {path}: {error.strerror}")
    except (KeyError, UnicodeDecodeError):
        sys.exit(f"compare: {path} is not a CSV in UTF-8 with a column `category`")
    if len(names) != rows:
        sys.exit(f"compare: {path} has {len(names)} lines for {rows} vectors")
    return np.unique(names, return_inverse=True)[1]


def repeated(rng, catalog, labels, rows, length):
    """The rows again and again; each but the first time with noise of this length."""
    copies = np.resize(np.arange(len(catalog)), rows)
    vectors = catalog[copies]
    for block in blocks(vectors[len(catalog):]):
        block[:] = unit(block + noise(rng, block.shape, length))
    return vectors, None if labels is None else labels[copies]


def nearest_of(seeds, catalog):
    return np.concatenate([np.argmax(block @ seeds.T, axis=1) for block in blocks(catalog)])


def by_first_appearance(labels):
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label].astype(np.uint32)


def noise(rng, shape, length):
    """Isotropic; this long on average."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(length / np.sqrt(shape[1]))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def blocks(rows):
    return (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))
