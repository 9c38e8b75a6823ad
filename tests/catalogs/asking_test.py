"""The judge of the rehearsal: each thing that may be wrong with a record is seen."""

import unittest
from datetime import datetime, timezone
from types import SimpleNamespace

from asking import Account, History, takes
from products import Catalog

FIRST, SECOND = Catalog.whole(1), Catalog.whole(2)
THIRD = SECOND.changed(1_001, SECOND.changes(1_001))
SENT, ANSWERED, QUESTION = 100.0, 100.5, 3


def record(version, catalog, kind="plain", at=ANSWERED):
    """A right answer by a catalog."""
    def match(name, score, category, title, price):
        found = {"product_id": name, "score": repr(score), "title": title, "attributes": {"price": str(price)}}
        return {**found, "category": category} if category else found

    groups = [{**({"category": category} if category else {}), "matches": [match(*one) for one in matches]}
              for category, matches in catalog.answer(kind, QUESTION)]
    created_at = datetime.fromtimestamp(at, timezone.utc).isoformat()
    return {"status": "SUCCEEDED", "results": groups, "catalog_version": version, "created_at": created_at}


def matches(found):
    return found["results"][0]["matches"]


def judged(found, name="job", kind="plain", sent=SENT, settled=()):
    """What the judge counts, and nothing else."""
    history = History()
    history.serves("first", FIRST, 50.0, 50.1)
    history.serves("second", SECOND, 90.0, 90.1)
    history.serves("third", THIRD, 101.0, 101.1)
    history.settled = list(settled)
    history.candidates = [[version, share, begin, end] for version, share, begin, end in settled]
    traffic = SimpleNamespace(attributes=True, sent={name: (kind, QUESTION, sent)})
    account = Account(traffic, history, longest_late=3.0)
    account.records = {name: found} if found else {}
    (what, count), = account.judge().counts.items()
    assert count == 1 and bool(account.problems) == (what != "right")
    return what


class TheJudge(unittest.TestCase):
    def test_takes_what_is_right(self):
        for kind in ("plain", "grouped", "similar", "filtered"):
            self.assertEqual(judged(record("second", SECOND, kind), kind=kind), "right")
        self.assertEqual(judged(record("first", FIRST, at=91.0), sent=90.5), "right")

    def test_misses_a_record(self):
        self.assertEqual(judged(None), "lost")

    def test_sees_another_version(self):
        self.assertEqual(judged(record("second", FIRST)), "mixed")
        one = record("second", SECOND)
        matches(one)[4] = matches(record("third", THIRD))[0]
        self.assertEqual(judged(one), "mixed")

    def test_sees_a_score_an_order_and_a_match_that_is_missing(self):
        one = record("second", SECOND)
        matches(one)[2]["score"] = repr(float(matches(one)[2]["score"]) * (1 + 1e-7))
        self.assertEqual(judged(one), "wrong")
        one = record("second", SECOND)
        matches(one)[1], matches(one)[2] = matches(one)[2], matches(one)[1]
        self.assertEqual(judged(one), "wrong")
        one = record("second", SECOND)
        matches(one).pop()
        self.assertEqual(judged(one), "wrong")

    def test_sees_what_did_not_serve_then(self):
        self.assertEqual(judged(record("first", FIRST)), "wrong")
        self.assertEqual(judged(record("third", THIRD)), "wrong")
        self.assertEqual(judged(record("nobody's", THIRD)), "wrong")

    def test_sees_who_does_not_belong_to_a_share(self):
        names = [f"job-{number}" for number in range(99)]
        inside, outside = (next(name for name in names if takes(0.3, name) == is_in) for is_in in (True, False))
        for name, version, catalog, what in [(inside, "first", FIRST, "right"), (inside, "second", SECOND, "wrong"),
                                             (outside, "first", FIRST, "wrong"), (outside, "second", SECOND, "right")]:
            self.assertEqual(judged(record(version, catalog), name, settled=[("first", 0.3, 96.0, 150.0)]), what)


if __name__ == "__main__":
    unittest.main()
