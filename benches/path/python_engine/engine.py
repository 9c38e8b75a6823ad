"""The engine of a well-known article on Lambda Managed Instances, in Python, as a process of its own.

Each process holds the whole catalog, embeds the query through Bedrock, searches each category in a pool of four
threads, and writes the result; it takes one job at a time, and several processes share the work. Written as the article
has it, with two differences that favour it: the catalog comes from a file in place of DynamoDB queries, and messages
come in batches of ten.
"""

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor

import boto3
import numpy as np
from botocore.config import Config

CATEGORIES = 20
THREADS = 4
MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"
DIMENSION = 384


class Catalog:
    """Vectors, norms and ids by category."""

    def __init__(self, path, norms):
        rows = np.load(path)
        self.categories = {}
        for category in range(CATEGORIES):
            vectors = np.ascontiguousarray(rows[category::CATEGORIES])
            ids = [f"product-{row:06}" for row in range(category, len(rows), CATEGORIES)]
            precomputed = np.linalg.norm(vectors, axis=1) if norms == "precomputed" else None
            self.categories[f"category-{category:02}"] = (vectors, precomputed, ids)

    def search(self, category, query, top_k):
        """The best of one category, by cosine."""
        vectors, norms, ids = self.categories[category]
        if norms is None:
            norms = np.linalg.norm(vectors, axis=1)
        scores = vectors @ query / (norms * np.linalg.norm(query))
        best = np.argpartition(scores, -top_k)[-top_k:]
        best = best[np.argsort(-scores[best])]
        return [(ids[row], float(scores[row])) for row in best]


class Engine:
    """Answers messages."""

    def __init__(self, catalog):
        # As many connections as calls at once; there is one.
        config = Config(retries={"max_attempts": 3, "mode": "standard"})
        self.catalog = catalog
        self.sqs = boto3.client("sqs", config=config)
        self.dynamodb = boto3.client("dynamodb", config=config)
        self.bedrock = boto3.client("bedrock-runtime", config=config)
        self.queue = os.environ["NEARLINE_QUEUE_URL"]
        self.table = os.environ["NEARLINE_RESULTS_TABLE"]
        self.pool = ThreadPoolExecutor(max_workers=THREADS)

    def embed(self, text):
        """The vector of a text."""
        parameters = {
            "embeddingPurpose": "TEXT_RETRIEVAL",
            "embeddingDimension": DIMENSION,
            "text": {"truncationMode": "END", "value": text},
        }
        body = {
            "schemaVersion": "nova-multimodal-embed-v1",
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": parameters,
        }
        answer = self.bedrock.invoke_model(modelId=MODEL, body=json.dumps(body))
        return np.array(json.loads(answer["body"].read())["embeddings"][0]["embedding"], dtype=np.float32)

    def groups(self, job, query):
        """The groups of the result."""
        top_k = job.get("top_k", 5)
        found = self.pool.map(lambda name: (name, self.catalog.search(name, query, top_k)), self.catalog.categories)
        if job.get("group_by") != "none":
            return [(name, [(product, score, None) for product, score in matches]) for name, matches in found]
        every = [(product, score, name) for name, matches in found for product, score in matches]
        return [(None, sorted(every, key=lambda match: -match[1])[:top_k])]

    def answer(self, body):
        """Searches, and writes the record."""
        job = json.loads(body)
        groups = self.groups(job, self.embed(job["query"]))
        item = {
            "request_id": {"S": job["request_id"]},
            "status": {"S": "SUCCEEDED"},
            "model_id": {"S": MODEL},
            "results": {"L": [group(name, matches) for name, matches in groups]},
        }
        self.dynamodb.put_item(
            TableName=self.table, Item=item, ConditionExpression="attribute_not_exists(request_id)"
        )

    def run(self):
        """Polls until the process is ended."""
        while True:
            received = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=10)
            messages = received.get("Messages", [])
            for message in messages:
                self.answer(message["Body"])
            if messages:
                entries = [
                    {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                    for position, message in enumerate(messages)
                ]
                self.sqs.delete_message_batch(QueueUrl=self.queue, Entries=entries)


def group(name, matches):
    """A group as DynamoDB has it."""
    result = {"matches": {"L": [match(*found) for found in matches]}}
    if name:
        result["category"] = {"S": name}
    return {"M": result}


def match(product, score, category):
    """A match as DynamoDB has it."""
    result = {"product_id": {"S": product}, "score": {"N": str(score)}}
    if category:
        result["category"] = {"S": category}
    return {"M": result}


def main():
    """Loads the catalog and serves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", required=True)
    parser.add_argument("--norms", choices=["article", "precomputed"], required=True)
    options = parser.parse_args()
    Engine(Catalog(options.rows, options.norms)).run()


if __name__ == "__main__":
    main()
