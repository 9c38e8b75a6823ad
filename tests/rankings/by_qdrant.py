import tempfile

import qdrant_edge as edge
from qdrant_client import QdrantClient, models

from engine import Way

LOCAL = {"cosine": models.Distance.COSINE, "ip": models.Distance.DOT, "l2": models.Distance.EUCLID}
EDGE = {"cosine": edge.Distance.Cosine, "ip": edge.Distance.Dot, "l2": edge.Distance.Euclid}
MEASURES = {"cosine": "value", "ip": "value", "l2": "value"}


def build_local(rows, ids, measure):
    client = QdrantClient(":memory:")
    client.create_collection("rows", models.VectorParams(size=rows.shape[1], distance=LOCAL[measure]))
    points = [models.PointStruct(id=i, vector=row.tolist(), payload={"row": i}) for i, row in zip(ids, rows)]
    client.upsert("rows", points)
    return client


def ask_local(client, queries, k, passing):
    chosen = None
    if passing is not None:
        chosen = models.Filter(must=[models.FieldCondition(key="row", match=models.MatchAny(any=sorted(passing)))])
    answers = [client.query_points("rows", query.tolist(), limit=k, query_filter=chosen) for query in queries]
    return [[(point.id, point.score) for point in answer.points] for answer in answers]


def build_edge(rows, ids, measure):
    folder = tempfile.TemporaryDirectory(prefix="rankings-")
    vectors = edge.EdgeVectorParams(size=rows.shape[1], distance=EDGE[measure])
    shard = edge.EdgeShard.create(folder.name, edge.EdgeConfig(vectors=vectors, wal_enabled=False))
    points = [edge.Point(i, row.tolist(), {"row": i}) for i, row in zip(ids, rows)]
    shard.update(edge.UpdateOperation.upsert_points(points))
    return shard, folder


def ask_edge(built, queries, k, passing):
    shard, _ = built
    chosen = None
    if passing is not None:
        chosen = edge.Filter(must=[edge.FieldCondition("row", match=edge.MatchAny(any=sorted(passing)))])
    answers = []
    for query in queries:
        nearest = edge.Query.Nearest(query.tolist())
        request = edge.QueryRequest(k, query=nearest, filter=chosen, params=edge.SearchParams(exact=True))
        answers.append([(point.id, point.score) for point in shard.query(request)])
    return answers


WAYS = [
    Way("Qdrant Edge", "qdrant-edge-py", "`EdgeShard.query`, `Distance.Cosine`, `exact=True`", build_edge, ask_edge, MEASURES),
    Way("Qdrant local", "qdrant-client", '`QdrantClient(":memory:").query_points`, `Distance.COSINE`', build_local, ask_local,
        MEASURES),
]
