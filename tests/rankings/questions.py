"""What every engine is asked: a table each, with the cells that its answers make.

Rows are numbered from 0. Where no dimension is said there are 4, which all engines here take.
"""

import numpy as np

from engine import Refused

NAN, INF = float("nan"), float("inf")
ALONG, HALF, AGAINST, ZERO = [1, 0, 0, 0], [1, 1, 1, 1], [-1, 0, 0, 0], [0, 0, 0, 0]
"""`HALF` has a cosine of 0.5 with `ALONG`, exactly."""
# How often an answer is asked for, from the building of the index on, before it counts as always the same.
REPEATS = 6
# Beyond what float64 itself loses.
EQUAL = 1e-12


def ties(way):
    equal = [ALONG] * 6
    return [repeated(way, equal, 6), repeated(way, equal, 3), repeated(way, [HALF] * 3 + [ALONG], 2)]


def repeated(way, rows, k):
    orders = {" ".join(str(i) for i, _ in way.answers(rows, [ALONG], k)[0]) for _ in range(REPEATS)}
    return orders.pop() if len(orders) == 1 else "differs from run to run"


def zero(way):
    def row():
        found = way.answers([ALONG, ZERO, AGAINST, HALF], [ALONG], 4)[0]
        value = [value for i, value in found if i == 1]
        return " ".join(str(i) for i, _ in found), shown(value[0]) if value else "never found"

    ranking, value = twice(row)
    return [ranking, value, tried(lambda: summary(way.answers([ALONG, AGAINST, HALF], [ZERO], 3)[0]))]


def not_finite(way):
    def row(number):
        return tried(lambda: placed(way.answers([AGAINST, HALF, [number, 0, 0, 0], ALONG], [ALONG], 4)[0], 2))

    def query(number, name):
        if name in way.never:
            return "not asked"
        return tried(lambda: summary(way.answers([AGAINST, HALF, ALONG], [[number, 0, 0, 0]], 3)[0]))

    return [row(NAN), row(INF), query(NAN, "NaN query"), query(INF, "infinite query")]


def lengths(way):
    """`1e20` and `1e-25` are ordinary float32 numbers; their squares are not."""
    def row(number):
        found = way.answers([AGAINST, HALF, [number, 0, 0, 0], ALONG], [ALONG], 4)[0]
        first = {i: way.true(value) for i, value in found[:2] if value is not None}
        return "right" if abs(first.get(2, 0) - 1) < 1e-6 else placed(found, 2)

    def query(number):
        found = way.answers([AGAINST, HALF, ALONG], [[number, 0, 0, 0]], 3)[0]
        cosines = {i: way.true(value) for i, value in found if value is not None}
        right = all(abs(cosines.get(i, 9) - cosine) < 1e-6 for i, cosine in enumerate([-1, 0.5, 1]))
        return "right" if right else summary(found)

    return [tried(lambda: ask(number)) for ask in (row, query) for number in (1e20, 1e-25)]


def duplicates(way):
    def same_id():
        rows, ids = [ALONG, [0, 1, 0, 0], HALF], [7, 7, 8]
        first, second = (way.true(dict(way.answers(rows, [rows[row]], 2, ids=ids)[0]).get(7, NAN)) for row in (0, 1))
        found = abs(first - 1) < 1e-6, abs(second - 1) < 1e-6
        return {(True, True): "both are kept", (False, True): "the second replaces the first"}[found]

    def many():
        random = np.random.default_rng(1)
        rows = unit(random.standard_normal((1_001, 64)))
        rows = np.concatenate([np.repeat(rows[:1], 2_000, axis=0), rows[1:]])
        asked = range(2_000, 3_000, 5)
        found = sum(answer[0][0] == row for row, answer in zip(asked, way.answers(rows, rows[asked], 1)) if answer)
        return "all" if found == len(asked) else "some are missing"

    return [tried(same_id), tried(many)]


def beyond(way):
    random = np.random.default_rng(1)
    rows = unit(random.standard_normal((1_000, 64)))

    def asked(rows, query, k, name=""):
        if name in way.never:
            return "not asked"
        return tried(lambda: counted(way.answers(rows, query, k)[0]))

    three = [ALONG, HALF, AGAINST]
    return [asked(three, [ALONG], 5, "k beyond n"), asked(three, [ALONG], 0), asked(rows, rows[:1], 50),
            asked(three, [ALONG], 5_000, "k beyond n")]


def scores(way):
    # Lengths of 5 and 10: the cosines with the query are 1, 0.96 and -1.
    rows, query, cosines = [[6, 8, 0, 0], [4, 3, 0, 0], [-3, -4, 0, 0]], [[3, 4, 0, 0]], [1, 0.96, -1]
    found = dict(way.answers(rows, query, 3)[0])
    right = all(abs(way.true(found[row]) - cosine) < 1e-6 for row, cosine in enumerate(cosines))
    cells = [" ".join(shown(found[row]) for row in range(3)), f"`{way.measures['cosine']}`" if right else "none"]
    # The product is 24, the distance 1.414.
    for measure in ("ip", "l2"):
        if measure in way.measures:
            value = dict(way.answers(rows, query, 3, measure)[0])[1]
            assert abs(way.true(value, measure) - {"ip": 24, "l2": 2**0.5}[measure]) < 1e-6
            cells.append(shown(value))
        else:
            cells.append("has none")
    return cells


def rounding(way):
    """Own vectors are unit vectors of float32 that are in the index as well."""
    random = np.random.default_rng(1)
    rows = unit(random.standard_normal((2_000, 384)))
    own = np.array([way.true(answer[0][1]) for answer in way.answers(rows, rows[:500], 1)])
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    answers = way.answers(rows, rows[:20], 40)
    error = max(abs(way.true(value) - exact[i] @ query) for query, answer in zip(exact, answers) for i, value in answer)
    return [share(own > 1 + EQUAL), share(own < 1 - EQUAL), next(f"below {limit}" for limit in ("5e-8", "1e-6", "1e-5")
                                                                if error < float(limit))]


def filters(way):
    if not way.filters:
        return ["has no filters"]
    if "few pass" in way.never:
        return ["not asked"]
    angles = np.linspace(0, np.pi, 1_000)
    rows = np.zeros((1_000, 4), np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    return [tried(lambda: counted(way.answers(rows, [ALONG], 5, passing={990, 995})[0]))]


QUESTIONS = {
    "ties": (ties, ["six equal rows, k = 6", "six equal rows, k = 3", "scores 0.5, 0.5, 0.5, 1; k = 2"]),
    "zero": (zero, ["ranking", "value of row 1", "query of zeros"]),
    "not-finite": (not_finite, ["NaN in a row", "infinity in a row", "NaN in the query", "infinity in the query"]),
    "lengths": (lengths, ["row of 1e20", "row of 1e-25", "query of 1e20", "query of 1e-25"]),
    "duplicates": (duplicates, ["one id twice, with two vectors", "rows found behind 2,000 equal ones"]),
    "k": (beyond, ["k = 5 of 3 rows", "k = 0", "k = 50 of 1,000 rows", "k = 5,000 of 3 rows"]),
    "scores": (scores, ["cosines 1, 0.96, -1", "back to the cosine", "product of 24", "distance of 1.414"]),
    "rounding": (rounding, ["own vectors above 1", "own vectors below 1", "largest error"]),
    "filters": (filters, ["2 of 1,000 rows pass, k = 5"]),
}


def tried(ask):
    try:
        return ask()
    except Refused:
        return "refused"


def twice(ask):
    try:
        return ask()
    except Refused:
        return "refused", "refused"


def shown(value):
    if value is None:
        return "NULL"
    if np.isnan(value):
        return "NaN"
    return f"{value + 0:.5g}"


def placed(found, row):
    """Where a row is in an answer of four."""
    for place, (i, value) in enumerate(found, 1):
        if i == row:
            return f"place {place}, {shown(value)}"
    return "never found"


def summary(found):
    """How many rows an answer has, and which values."""
    values = list(dict.fromkeys(shown(value) for i, value in found if i >= 0))
    return f"{counted(found)}, {' '.join(values)}" if values else counted(found)


def counted(found):
    rows = sum(i >= 0 for i, _ in found)
    padding = f", {len(found) - rows:,} × -1" if rows < len(found) else ""
    return (f"{rows} rows" if rows else "no rows") + padding


def share(flags):
    return "all" if flags.all() else "some" if flags.any() else "none"


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
