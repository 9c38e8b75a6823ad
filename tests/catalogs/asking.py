"""Jobs at a steady rate, and an account of each: whether its record is there, by which version it was answered, and
whether that version served then and answers so by brute force.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from datetime import datetime

from products import JOBS, QUESTIONS, padded, single

RATE, BURST = 20, 2  # jobs a second, and how many go together


def takes(share, request_id):
    """Whether a candidate with this share answers a job, as docs/contract.md says."""
    return int(hashlib.sha256(request_id.encode()).hexdigest()[:16], 16) / 2**64 < share


def seconds(timestamp):
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


class Traffic:
    """Sends jobs until it is ended. `sent` has the kind, the question and the time of each.

    Catalogs of some releases have no attributes: then no job names any.
    """

    def __init__(self, aws, name, width, attributes):
        self.aws, self.name, self.width, self.attributes = aws, name, width, attributes
        self.kinds = [kind for kind in JOBS if attributes or kind != "filtered"]
        self.sent, self.calls, self.error = {}, [], None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self):
        self._stop.set()
        self._thread.join(60)

    def _job(self, number):
        kind, question = self.kinds[number % len(self.kinds)], number // len(self.kinds) % QUESTIONS
        body = {"request_id": f"{self.name}-{number}", **JOBS[kind](question)}
        if "vector" in body:
            body["vector"] = padded(body["vector"], self.width)
        return kind, question, {**body, "return": ["title", "price"] if self.attributes else ["title"]}

    def _run(self):
        try:
            due = time.time()
            while not self._stop.wait(max(0, due - time.time())):
                first = len(self.sent)
                jobs = [self._job(number) for number in range(first, first + BURST)]
                began = time.time()
                for kind, question, body in jobs:
                    self.sent[body["request_id"]] = kind, question, began
                self.aws.send([json.dumps(body) for _, _, body in jobs])
                self.calls.append((began, time.time() - began))
                # What could not be sent in time is not made up for: the rate stays.
                due = max(due + BURST / RATE, time.time())
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            self.error = f"{type(error).__name__}: {error}"


class History:
    """Which version was current when, and which was a candidate; and what each of them is."""

    def __init__(self):
        self.catalogs = {}  # by version
        self.current = []  # [version, from, until]
        self.candidates = []  # [version, share, from, until]
        self.settled = []  # (version, share, from, until): the worker is known to have taken the candidate up

    def serves(self, version, catalog, began, done=None):
        """A version became current between `began` and `done`."""
        self.catalogs[version] = catalog
        if self.current:
            if self.current[-1][0] == version:
                return
            self.current[-1][2] = done or time.time()
        self.current.append([version, began, float("inf")])

    @property
    def version(self):
        return self.current[-1][0]

    @property
    def catalog(self):
        return self.catalogs[self.version]

    def tries(self, version, catalog, share, began):
        self.end_trial()
        self.catalogs[version] = catalog
        self.candidates.append([version, share, began, float("inf")])

    def end_trial(self):
        if self.candidates:
            self.candidates[-1][3] = min(self.candidates[-1][3], time.time())


def plain(value):
    """A value of DynamoDB's; numbers as they are written."""
    (kind, content), = value.items()
    if kind == "M":
        return {name: plain(inner) for name, inner in content.items()}
    return [plain(inner) for inner in content] if kind == "L" else content


def groups(record):
    """The groups of a record as `Catalog.answer` has them."""
    def match(one):
        attributes = one.get("attributes", {})
        price = int(attributes["price"]) if "price" in attributes else None
        return one["product_id"], single([float(one["score"])])[0], one.get("category"), one.get("title"), price

    return [(group.get("category"), [match(one) for one in group["matches"]]) for group in record["results"]]


class Account:
    """What became of the jobs."""

    def __init__(self, traffic, history, longest_late):
        self.traffic, self.history, self.longest_late = traffic, history, longest_late
        self.records, self.late, self.latencies = {}, [], []
        self.counts, self.problems, self.versions = Counter(), [], set()
        self.beside, self.by_candidate = Counter(), Counter()  # jobs while a candidate served, by its share

    def collect(self, limit):
        """Reads records until each job has one, or no more come within `limit` seconds."""
        aws, missing, quiet = self.traffic.aws, list(self.traffic.sent), time.time() + limit
        while missing and time.time() < quiet:
            for begin in range(0, len(missing), 100):
                found = aws.records(missing[begin:begin + 100])
                self.records.update((item["request_id"]["S"], plain({"M": item})) for item in found)
            left = [name for name in missing if name not in self.records]
            if len(left) < len(missing):
                quiet = time.time() + limit
            missing = left
            if missing:
                time.sleep(1)
        self.lost = missing

    def judge(self):
        for name, (kind, question, sent) in self.traffic.sent.items():
            record = self.records.get(name)
            if record is None:
                self._bad("lost", name, "no record")
                continue
            if record["status"] != "SUCCEEDED":
                self._bad("wrong", name, f"rejected: {record['error']}")
                continue
            answered = seconds(record["created_at"])
            self.latencies.append((sent, answered - sent))
            self._judge(name, kind, question, sent, answered, record)
        return self

    def _right(self, catalog, kind, question):
        answer = catalog.answer(kind, question)
        if self.traffic.attributes:
            return answer
        return [(category, [(*match[:-1], None) for match in matches]) for category, matches in answer]

    def _judge(self, name, kind, question, sent, answered, record):
        version, history = record["catalog_version"], self.history
        catalog = history.catalogs.get(version)
        if catalog is None:
            self._bad("wrong", name, f"by version {version}, which nobody published")
            return
        self.versions.add(version)
        if groups(record) != self._right(catalog, kind, question):
            self._bad(*self._what_else(name, kind, question, record, catalog))
            return
        spans = [(begin, end) for which, begin, end in history.current if which == version]
        spans += [(begin, end) for which, share, begin, end in history.candidates
                  if which == version and takes(share, name)]
        # A record has milliseconds: it may say up to one too early.
        spans = [(begin, end) for begin, end in spans if begin <= answered + 0.001]
        if not spans:
            self._bad("wrong", name, f"by version {version} before it was published, or outside of its share")
            return
        late = max(0.0, min(answered - end for _, end in spans))
        self.late.append(late)
        if max(end for _, end in spans) + self.longest_late < sent:
            self._bad("wrong", name, f"by version {version}, {late:.1f} s after it was replaced")
            return
        for which, share, begin, end in history.settled:
            if begin <= sent and answered <= end:
                self.beside[share] += 1
                self.by_candidate[share] += version == which
                if takes(share, name) != (version == which):
                    self._bad("wrong", name, f"by version {version} beside a candidate {which} with {share:.0%}")
                    return
        self.counts["right"] += 1

    def _what_else(self, name, kind, question, record, catalog):
        """Why an answer is wrong, and whether another version has a part in it."""
        found, version = groups(record), record["catalog_version"]
        for other, known in self.history.catalogs.items():
            if known is not catalog and found == self._right(known, kind, question):
                return "mixed", name, f"says version {version}, and is the answer of {other}"
        strangers = [match for _, matches in found for match in matches if not catalog.has(match[0], match[3])]
        if strangers:
            return "mixed", name, f"says version {version}, and has {strangers[0]}, which is of another one"
        right = self._right(catalog, kind, question)
        return "wrong", name, f"{kind} {question} by version {version}: {found} instead of {right}"

    def _bad(self, what, name, why):
        self.counts[what] += 1
        if self.counts[what] <= 3:
            self.problems.append(f"{what}: {name}: {why[:600]}")

    def spent(self, begin, end):
        """Milliseconds from sending to the record, of what was sent within this time."""
        spent = [latency * 1000 for sent, latency in self.latencies if begin <= sent < end]
        percentiles = {f"p{percent}": percentile(spent, percent) for percent in (50, 99)}
        return {"jobs": len(spent), **percentiles, "longest": max(spent, default=0.0)}
