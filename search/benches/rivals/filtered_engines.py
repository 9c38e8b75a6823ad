"""Engines that search exactly among the rows that pass a filter, in this process.

What a filter is to an engine (a bitmap, a list of rows, a condition on an indexed column) is made before its time is
taken. Queries are known by their numbers here, since each may have a filter of its own.
"""

import tempfile

import faiss
import numpy as np

from engines import Rival
from other_engines import largest
from subject import build
from vectors import blocks

NUMBER = "number"
LANCE_BLOCK_ROWS = 10_000
QDRANT_BLOCK_ROWS = 5_000


def rivals(options, catalog, queries, questions):
    """For each question FAISS, and those that were asked for."""
    numbers, top_k = questions[0].numbers, options.top_k
    engines = [Faiss(catalog)]
    if "numpy" in options.only:
        engines.append(NumPy(catalog))
    if "lancedb" in options.only:
        engines.append(LanceDb(catalog, numbers))
    if "qdrant" in options.only:
        engines.append(Qdrant(catalog, numbers, options.threads))
    for filters in questions:
        for engine in engines:
            for name, search, read in engine.searches(queries, filters, top_k):
                yield Rival(name, np.arange(len(queries)), search, read, question=filters.name)


class Faiss:
    """A flat index with a selector: it adds up row after row, without BLAS. A call has one selector."""

    def __init__(self, catalog):
        self._index = faiss.IndexFlatIP(catalog.shape[1])
        for block in blocks(catalog):
            self._index.add(block)

    def searches(self, queries, filters, top_k):
        bitmaps = [faiss.IDSelectorBitmap(bitmap.view(np.uint8)) for bitmap in filters.bitmaps()]
        lists = [faiss.IDSelectorArray(rows) for rows in filters.rows]
        for name, selectors in [("faiss, IDSelectorBitmap", bitmaps), ("faiss, IDSelectorArray", lists)]:
            parameters = [faiss.SearchParameters(sel=selector) for selector in selectors]

            def search(vectors, number, parameters=parameters):
                return self._index.search(vectors, top_k, params=parameters[number])

            yield name, *one_filter_a_call(search, lambda answer: answer[::-1], queries, filters, top_k)


class NumPy:
    """Gathers the rows that pass, then multiplies."""

    def __init__(self, catalog):
        self._catalog = catalog

    def searches(self, queries, filters, top_k):
        passing = filters.rows

        def search(vectors, number):
            rows = passing[number]
            places, scores = largest(vectors @ self._catalog[rows].T, top_k)
            return rows[places], scores

        yield "numpy, rows gathered", *one_filter_a_call(search, lambda answer: answer, queries, filters, top_k)


class LanceDb:
    """A table in memory, with an index of the numbers, none of the vectors; the filter goes first. A call has one."""

    def __init__(self, catalog, numbers):
        import lancedb
        import pyarrow
        from lancedb.index import BTree

        def batches():
            for start in range(0, len(catalog), LANCE_BLOCK_ROWS):
                block = catalog[start : start + LANCE_BLOCK_ROWS]
                rows = np.arange(start, start + len(block))
                vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(block.ravel()), catalog.shape[1])
                columns = [pyarrow.array(rows), pyarrow.array(numbers[rows]), vectors]
                yield pyarrow.record_batch(columns, schema=schema)

        of_vectors = pyarrow.list_(pyarrow.float32(), catalog.shape[1])
        schema = pyarrow.schema([("row", pyarrow.int64()), (NUMBER, pyarrow.int64()), ("vector", of_vectors)])
        self._table = lancedb.connect("memory://").create_table("rows", batches(), schema=schema)
        self._table.create_index(NUMBER, config=BTree())

    def searches(self, queries, filters, top_k):
        conditions = [f"{NUMBER} >= {first} AND {NUMBER} < {end}" for first, end in filters.ranges()]

        def search(vectors, number):
            query = self._table.search(vectors if len(vectors) > 1 else vectors[0]).distance_type("dot")
            query = query.where(conditions[number], prefilter=True).select(["row", "_distance"]).limit(top_k)
            return query.to_arrow(), len(vectors)

        def read(answer):
            found, asked = answer
            # One query after the other; each has as many rows, since as many pass.
            rows, distances = (found[name].to_numpy().reshape(asked, -1) for name in ["row", "_distance"])
            return rows, 1 - distances

        yield "lancedb", *one_filter_a_call(search, read, queries, filters, top_k)


class Qdrant:
    """A shard of Qdrant Edge without a graph, with an index of the numbers. A batch may have different filters."""

    def __init__(self, catalog, numbers, threads):
        import qdrant_edge

        self._edge = edge = qdrant_edge
        self._folder = tempfile.TemporaryDirectory(prefix="compare-", dir=build().parent)
        vectors = edge.EdgeVectorParams(size=catalog.shape[1], distance=edge.Distance.Dot)
        config = edge.EdgeConfig(vectors=vectors, wal_enabled=False, max_search_threads=threads)
        self._shard = edge.EdgeShard.create(self._folder.name, config)
        self._shard.update(edge.UpdateOperation.create_field_index(NUMBER, edge.PayloadSchemaType.Integer))
        for start in range(0, len(catalog), QDRANT_BLOCK_ROWS):
            rows = range(start, min(start + QDRANT_BLOCK_ROWS, len(catalog)))
            points = [edge.Point(row, catalog[row].tolist(), {NUMBER: int(numbers[row])}) for row in rows]
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def searches(self, queries, filters, top_k):
        edge, exact = self._edge, self._edge.SearchParams(exact=True)
        ranges = [edge.RangeFloat(gte=float(first), lt=float(end)) for first, end in filters.ranges()]
        conditions = [edge.Filter(must=[edge.FieldCondition(NUMBER, range=each)]) for each in ranges]
        requests = [
            edge.QueryRequest(top_k, query=edge.Query.Nearest(query.tolist()), filter=conditions[number], params=exact,
                              with_payload=False)
            for query, number in zip(queries, filters.of(np.arange(len(queries))))
        ]

        def search(numbers):
            return self._shard.query_batch(edge.QueryBatchRequest([requests[number] for number in numbers]))

        def read(answers):
            rows = np.array([[point.id for point in points] for points in answers])
            return padded(rows, np.array([[point.score for point in points] for points in answers]), top_k)

        yield "qdrant edge", search, read


def one_filter_a_call(search, read, queries, filters, top_k):
    """To search by the numbers of queries, and to read it: one call, or one a query if each has a filter of its own."""

    def search_all(numbers):
        if len(filters.starts) == 1:
            return [search(queries[numbers[0] : numbers[-1] + 1], 0)]
        return [search(queries[query : query + 1], number) for query, number in zip(numbers, filters.of(numbers))]

    def read_all(answers):
        return tuple(np.concatenate(parts) for parts in zip(*(padded(*read(answer), top_k) for answer in answers)))

    return search_all, read_all


def padded(rows, scores, top_k):
    """Places that too few rows leave empty have row -1."""
    missing = ((0, 0), (0, top_k - rows.shape[1]))
    return np.pad(rows, missing, constant_values=-1), np.pad(scores, missing)
