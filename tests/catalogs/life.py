"""A catalog's life, rehearsed on the stand-ins with the real programs, while jobs come all the time.

swaps: catalogs, updates, broken ones, a candidate, a rollback. kills: publishers and workers are killed at any moment.
old: an earlier release's program reads what this one publishes, and the other way round. Each job must end as one
record, answered right by a version that served then. Standard library only.
"""

import argparse
import contextlib
import hashlib
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from asking import Account, History, Traffic
from products import DIMENSION, Catalog, write
from stack import STOP, Aged, Problem, Worker, World, long_ago, stop, until

STARTED = time.monotonic()
# How long after its end a version may still be answered with: a second until the next look, and the load.
LONGEST_LATE = 3.0
VISIBILITY = 10  # of jobs in `kills`: those of a killed worker come back after so many seconds
YOUNG = 2  # seconds that count as a day for `prune` in `kills`
MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"
KINDS = ("publish", "update", "compact", "prune")


def say(text):
    print(f"{time.monotonic() - STARTED:5.0f} s  {text}", file=sys.stderr, flush=True)


class Rehearsal:
    """One part of it: a world, what was published in it, and jobs."""

    def __init__(self, name, folder, options, visibility=60, model="none", width=DIMENSION):
        self.name, self.options, self.draw = name, options, random.Random(f"{name} {options.seed}")
        self.world = World(folder / name, options.bin, visibility)
        self.model, self.width = model, width
        self.history, self.serial, self.updates = History(), 0, 1_000
        self.workers, self.traffic, self.problems, self.done = [], None, [], Counter()

    @property
    def place(self):
        return self.world.place

    def catalog(self, *arguments, **more):
        """A command on the prefix, and when it began."""
        began = time.time()
        return self.world.nearline("catalog", *arguments, "--to", self.place, **more), began

    def build(self, binary=None):
        """The next catalog, as a file; its version, and its products."""
        self.serial += 1
        catalog = Catalog.whole(self.serial)
        source, file = (self.world.folder / f"{self.serial}.{end}" for end in ("csv" if binary else "jsonl", "arrow"))
        write(source, catalog.rows(), self.width)
        flags = [] if binary else ["--model", self.model, "--attributes", "price"]
        self.world.nearline("catalog", "build", "--input", source, "--output", file, *flags, binary=binary)
        source.unlink()
        return file, hashlib.sha256(file.read_bytes()).hexdigest()[:16], catalog

    def change(self):
        """The next update, as a file; and the products that it makes."""
        self.updates += 1
        catalog, file = self.history.catalog, self.world.folder / "changes.jsonl"
        rows = catalog.changes(self.updates)
        write(file, rows, self.width)
        return file, catalog.changed(self.updates, rows)

    def publish(self, built=None, binary=None):
        file, version, catalog = built or self.build(binary)
        said, began = self.catalog("publish", file, binary=binary)
        self.expect(said, version, "publish")
        self.history.serves(version, catalog, began)

    def update(self):
        file, catalog = self.change()
        version, began = self.catalog("update", file)
        self.history.serves(version, catalog, began)

    def compact(self):
        version, began = self.catalog("compact")
        if self.pointer().get("updates"):
            raise Problem("compact left updates that nobody else published")
        self.history.serves(version, self.history.catalog, began)

    def expect(self, found, wanted, what):
        if found != wanted:
            raise Problem(f"{what}: {found!r} instead of {wanted!r}")

    def pointer(self):
        return json.loads(self.world.aws.object("current.json"))

    def whole(self):
        """What the prefix says must be one of its catalogs, whole."""
        catalog, version = self.history.catalog, self.history.version
        listed = json.loads(self.catalog("versions", "--json")[0])
        self.expect(listed["current"], version, "catalog versions")
        incomplete = [one["version"] for one in listed["versions"] if not one["complete"]]
        self.expect(incomplete, [], "versions without all of their objects")
        inspected = json.loads(self.world.nearline("catalog", "inspect", "--json", self.place))
        counts = Counter(product.category for product in catalog.products.values())
        self.expect((inspected["version"], inspected["rows"]), (version, len(catalog.products)), "catalog inspect")
        self.expect([(one["name"], one["rows"]) for one in inspected["categories"]],
                    [(name, counts[name]) for name in catalog.categories()], "categories of catalog inspect")
        return listed

    def rest(self, seconds):
        """Lets jobs come for a while."""
        if STOP.wait(seconds):
            raise Problem("stopped")
        if self.traffic and self.traffic.error:
            raise Problem(f"traffic: {self.traffic.error}")

    def ask(self, attributes=True):
        """Lets jobs come from now on."""
        self.traffic = Traffic(self.world.aws, self.name, self.width, attributes)

    def account(self, errors=()):
        """Ends the jobs, and judges their records. Errors that these events report are meant."""
        self.traffic.end()
        say(f"{self.name}: {len(self.traffic.sent)} jobs were sent; reading their records")
        account = Account(self.traffic, self.history, LONGEST_LATE)
        account.collect(limit=40)
        aws = self.world.aws
        dead, items = aws.waiting(aws.dead_letters), aws.items()
        say(f"{self.name}: {len(account.records)} records; brute force over {len(self.history.catalogs)} versions")
        account.judge()
        self.problems += account.problems
        if items != len(account.records):
            self.problems.append(f"the table has {items} items, of {len(account.records)} jobs")
        if dead:
            self.problems.append(f"{dead} dead letters")
        for worker in self.workers:
            for line in worker.lines():
                if line["level"] == "ERROR" and line.get("event") not in errors:
                    self.problems.append(f"the worker's log: {json.dumps(line)[:400]}")
        return account

    def summary(self, account=None, **more):
        jobs = account and {
            "jobs": len(self.traffic.sent), "records": len(account.records),
            **{what: account.counts[what] for what in ("lost", "wrong", "mixed")},
            "versions_published": len(self.history.catalogs), "versions_that_answered": len(account.versions),
            "longest_by_a_replaced_version_s": round(max(account.late, default=0.0), 3),
        }
        return {"part": self.name, **(jobs or {}), "done": dict(self.done), **more, "problems": self.problems}

    def end(self):
        if self.traffic:
            self.traffic.end()
        self.world.end()


# Swaps.

def swaps(rehearsal):
    """One worker, and publications of every kind."""
    quick, draw = rehearsal.options.quick, rehearsal.draw
    publications, updates, compacts, calm = (5, 12, 1, 6) if quick else (20, 50, 3, 30)
    steps = ["publish"] * publications + ["update"] * updates
    draw.shuffle(steps)
    for at in sorted(draw.sample([n for n, step in enumerate(steps) if step == "update"], compacts), reverse=True):
        steps.insert(at + 1, "compact")
    for number in range(3):
        steps.insert(len(steps) * (number + 1) // 4, f"broken {number}")
    steps.insert(len(steps) * 2 // 3, "candidate")
    say(f"swaps: building {publications + 2} catalogs")
    built = [rehearsal.build() for _ in range(publications + 2)]
    rehearsal.publish(built.pop())
    worker = Worker(rehearsal.world, "worker.log")
    rehearsal.workers.append(worker)
    worker.until("polling", 0.0)
    rehearsal.ask()
    rehearsal.rest(3)
    say("swaps: calm before")
    marks = [time.time()]
    rehearsal.rest(calm)
    marks.append(time.time())
    for number, step in enumerate(steps):
        if number % 10 == 0:
            say(f"swaps: {number} of {len(steps)} steps, {len(rehearsal.traffic.sent)} jobs sent")
        kind, *which = step.split()
        if kind == "publish":
            rehearsal.publish(built.pop())
        elif kind == "candidate":
            candidate(rehearsal, worker, built.pop(), *((6, 6) if quick else (20, 20)))
        elif kind == "broken":
            broken(rehearsal, worker, int(which[0]))
        else:
            getattr(rehearsal, kind)()
        rehearsal.done[kind] += 1
        rehearsal.rest(draw.uniform(0, 1.5 if quick else 2.5))
    marks.append(time.time())
    say("swaps: calm after")
    rehearsal.rest(3 + calm)
    rehearsal.whole()
    account = rehearsal.account(errors={"catalog_refused"})
    spans = dict(zip(("before", "swapping", "after"), [marks[:2], marks[1:], (marks[2] + 3, float("inf"))]))
    latency = {name: {**account.spent(*span[:2]), **own(rehearsal, worker, *span[:2])} for name, span in spans.items()}
    longest = {name: one["longest"] for name, one in latency.items()}
    # What the stand-ins, which are one process, pause for, our own calls see as well.
    allowed = 2 * max(longest["before"], longest["after"], latency["swapping"]["longest_call_ms"])
    if longest["swapping"] > allowed:
        took = f"{longest['swapping']:.0f} ms, above {allowed:.0f}"
        rehearsal.problems.append(f"the longest answer while swapping took {took}")
    shares = {f"{share:.0%}": {"jobs": jobs, "by_the_candidate": account.by_candidate[share]}
              for share, jobs in account.beside.items()}
    replaced = worker.lines("catalog_replaced")
    loads = [line["took_ms"] for line in replaced if line.get("took_ms") is not None]
    return rehearsal.summary(account, latency_ms=latency, allowed_ms=allowed, shares=shares,
                             swaps_of_the_worker=len(replaced), longest_load_ms=max(loads, default=0))


def own(rehearsal, worker, begin, end):
    """The longest of our own calls that send jobs, and of the worker's scans, in milliseconds."""
    calls = [spent * 1000 for at, spent in rehearsal.traffic.calls if begin <= at < end]
    scans = [line["scan_wait_ms"] + line["scan_ms"] for line in worker.lines("batch", begin) if line["at"] < end]
    return {"longest_call_ms": max(calls, default=0.0), "longest_scan_ms": max(scans, default=0.0)}


def candidate(rehearsal, worker, built, *holds):
    """A candidate with a share and a larger one, updates beside it, promotion, and the way back."""
    file, version, catalog = built
    history = rehearsal.history
    for share, hold in zip((0.05, 0.3), holds):
        said, began = rehearsal.catalog("publish", file, "--candidate", "--share", f"{share:.0%}")
        rehearsal.expect(said, version, "publish --candidate")
        history.tries(version, catalog, share, began)
        taken_up = worker.until("candidate_serves", began, candidate=version)["at"]
        say(f"swaps: a candidate answers {share:.0%}")
        rehearsal.rest(hold / 2)
        rehearsal.update()
        rehearsal.done["update"] += 1
        rehearsal.rest(hold / 2)
        history.settled.append((version, share, taken_up, time.time()))
    before = history.version
    said, began = rehearsal.catalog("promote")
    rehearsal.expect(said, version, "promote")
    history.end_trial()
    history.serves(version, catalog, began)
    worker.until("catalog_replaced", began, to=version)
    rehearsal.rest(3)
    said, began = rehearsal.catalog("rollback")
    rehearsal.expect(said, before, "rollback")
    history.serves(before, history.catalogs[before], began)
    worker.until("catalog_replaced", began, to=before)


def broken(rehearsal, worker, number):
    """What no program of ours publishes: an operator copies a wrong file, or an upload breaks off."""
    aws, history = rehearsal.world.aws, rehearsal.history
    serving, draw = history.version, rehearsal.draw
    worker.until("catalog_replaced", 0.0, to=serving)
    pointer = {**rehearsal.pointer(), "format_version": 1, "updates": [], "indexes": []}
    artifact = aws.object(f"catalogs/{pointer['sha256'][:16]}.arrow")
    # Half an artifact with a pointer that fits; an artifact that is not what its pointer says; a pointer that is none.
    content = artifact[:len(artifact) // 2] if number == 0 else draw.randbytes(len(artifact))
    sha256 = hashlib.sha256(content if number == 0 else b"another file").hexdigest()
    key = pointer["key"].replace(pointer["sha256"][:16], sha256[:16])
    aws.object(f"catalogs/{sha256[:16]}.arrow", content)
    wrong = {**pointer, "version": sha256[:16], "key": key, "sha256": sha256, "bytes": len(content)}
    began = time.time()
    aws.object("current.json", json.dumps(wrong).encode() if number < 2 else b"<html>502 Bad Gateway</html>")
    refused = worker.until("catalog_refused", began, serving=serving)
    say(f"swaps: refused: {refused['error'][:150]}")
    rehearsal.rest(3)
    if rehearsal.world.ran("catalog", "inspect", rehearsal.place).returncode != 1:
        raise Problem("catalog inspect takes a broken catalog for whole")
    rehearsal.expect(rehearsal.catalog("rollback", serving)[0], serving, "rollback")
    rehearsal.whole()


# Kills.

class Reaper(threading.Thread):
    """Kills one worker and then the other, about when they look for what was published, and starts them again."""

    def __init__(self, rehearsal, wanted):
        super().__init__(daemon=True)
        self.rehearsal, self.wanted, self.draw = rehearsal, wanted, random.Random(rehearsal.options.seed)
        self.published, self.stop = threading.Event(), threading.Event()
        self.killed, self.behind, self.error = 0, 0, None

    def run(self):
        try:
            while not self.stop.is_set():
                if self.published.wait(1):
                    self.published.clear()
                    self.reap(self.rehearsal.workers[self.killed % 2])
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            self.error = f"{type(error).__name__}: {error}"

    def reap(self, worker):
        # Looks come a second apart, counted from the start, and a newer catalog is loaded in some hundredths of one.
        loaded = worker.lines("catalog_loaded", worker.began)
        if not loaded:
            return
        looks = loaded[-1]["at"]
        wait = -(time.time() - looks) % 1 + self.draw.uniform(-0.05, 0.1)
        self.stop.wait(max(0, wait))
        lines = worker.lines(after=worker.began)
        versions = [line.get("to") or line.get("version") for line in lines
                    if line.get("event") in ("catalog_loaded", "catalog_replaced")]
        self.behind += versions[-1] != self.rehearsal.history.version
        if not worker.kill():
            raise Problem(f"a worker ended by itself: {worker.path.read_text()[-500:]}")
        self.killed += 1
        worker.start()


class Publisher:
    """Runs commands and kills them, and tells what each has left."""

    def __init__(self, rehearsal, reaper, aged):
        self.rehearsal, self.reaper, self.aged = rehearsal, reaper, aged
        self.took = {kind: [] for kind in KINDS}  # seconds of those that ended by themselves
        self.killed, self.ended, self.changed, self.marks = Counter(), Counter(), Counter(), 0

    def command(self, kind):
        """Its arguments and environment, and what is current if it succeeds: (version if known, products)."""
        rehearsal = self.rehearsal
        if kind == "publish":
            file, version, catalog = rehearsal.build()
            return ["publish", file], {}, (version, catalog)
        if kind == "update":
            file, catalog = rehearsal.change()
            return ["update", file], {}, (None, catalog)
        if kind == "compact":
            if not rehearsal.pointer().get("updates"):
                rehearsal.update()
            return ["compact"], {}, (None, rehearsal.history.catalog)
        self.age_mark()
        return ["prune", "--keep", "2", "--yes"], self.aged.env, None

    def age_mark(self):
        """A prune that was killed keeps others away for some minutes. They are over."""
        mark = self.rehearsal.world.aws.object("prune.json")
        if mark:
            mark = json.loads(mark)
            mark["began_at"] = long_ago(mark["began_at"], 20)
            self.rehearsal.world.aws.object("prune.json", json.dumps(mark).encode())
            self.marks += 1

    def run(self, kind, kill=True):
        rehearsal = self.rehearsal
        arguments, env, becomes = self.command(kind)
        before, began = rehearsal.pointer(), time.time()
        log = rehearsal.world.folder / "publisher.log"
        command = [rehearsal.world.bin / "nearline", "catalog", *arguments, "--to", rehearsal.place]
        process = rehearsal.world.start(log, command, env)
        try:
            process.wait(rehearsal.draw.uniform(0, 1.1 * statistics.median(self.took[kind])) if kill else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
        rehearsal.world.running.remove(process)
        if process.returncode == 0:
            self.ended[kind] += 1
            self.took[kind].append(time.time() - began)
        elif process.returncode == -signal.SIGKILL:
            self.killed[kind] += 1
            rehearsal.rest(0.2)  # what it has sent may still take effect
        else:
            raise Problem(f"{kind}: exit {process.returncode}: {log.read_text()[-400:]}")
        after = rehearsal.pointer()
        if after["version"] != before["version"]:
            self.changed[kind, process.returncode != 0] += 1
            self.settle(kind, before, after, becomes, began)
            self.reaper.published.set()
        elif process.returncode == 0 and kind != "prune":
            raise Problem(f"{kind} succeeded, and the pointer is as before")
        rehearsal.whole()

    def settle(self, kind, before, after, becomes, began):
        """A new pointer must be the one that the command was to write."""
        rehearsal = self.rehearsal
        if becomes is None:
            raise Problem(f"{kind} changed the pointer")
        version, catalog = becomes
        updates = [one["sha256"] for one in after.get("updates", [])]
        old = [one["sha256"] for one in before.get("updates", [])]
        fits = {"publish": after["version"] == version and not updates,
                "update": after["sha256"] == before["sha256"] and updates[:-1] == old and len(updates) == len(old) + 1,
                "compact": not updates and after["sha256"] != before["sha256"]}[kind]
        if not fits or after["rows"] != len(catalog.products) or after["previous"] != before["version"]:
            raise Problem(f"{kind} left the pointer {after}")
        rehearsal.history.serves(after["version"], catalog, began)


def kills(rehearsal):
    """Publishers and workers are killed."""
    wanted = 8 if rehearsal.options.quick else 50
    rehearsal.publish()
    rehearsal.workers += [Worker(rehearsal.world, f"worker-{number}.log") for number in (1, 2)]
    for worker in rehearsal.workers:
        worker.until("polling", 0.0)
    rehearsal.ask()
    aged = Aged(rehearsal.world.env["AWS_ENDPOINT_URL"], YOUNG)
    reaper = Reaper(rehearsal, wanted)
    publisher = Publisher(rehearsal, reaper, aged)
    try:
        for kind in KINDS:
            publisher.run(kind, kill=False)
        reaper.start()
        number = 0
        while min(publisher.killed[kind] for kind in KINDS) < wanted or reaper.killed < wanted:
            publisher.run(KINDS[number % len(KINDS)])
            number += 1
            rehearsal.rest(0)
            if reaper.error:
                raise Problem(f"workers: {reaper.error}")
            if number % 40 == 0:
                say(f"kills: {dict(publisher.killed)} killed, {reaper.killed} workers, "
                    f"{len(rehearsal.traffic.sent)} jobs sent")
        reaper.stop.set()
        reaper.join(30)
        # What kills have left, one prune finds, and leaves nothing that nobody names.
        rehearsal.rest(YOUNG + 1)
        publisher.age_mark()
        rehearsal.catalog("prune", "--keep", "2", "--yes", env=aged.env)
        kept = rehearsal.whole()
        left = json.loads(rehearsal.catalog("prune", "--keep", "2", "--dry-run", "--json", env=aged.env)[0])
        rehearsal.expect((left["versions"], left["objects"], left["uploads"]), ([], 0, 0), "what prune leaves")
        rehearsal.expect(rehearsal.world.aws.object("prune.json"), None, "the mark of a prune that is done")
    finally:
        reaper.stop.set()
        aged.end()
    # A worker that is killed while it starts, or in a call, says nothing wrong; what it says before counts.
    account = rehearsal.account()
    table = {kind: {"killed": publisher.killed[kind], "ended": publisher.ended[kind],
                    "killed_after_the_pointer": publisher.changed[kind, True]} for kind in KINDS}
    replayed = sum(line.get("replayed", 0) for worker in rehearsal.workers for line in worker.lines("batch"))
    return rehearsal.summary(account, kills=table, workers_killed=reaper.killed, workers_killed_behind=reaper.behind,
                             marks_left=publisher.marks, versions_kept=len(kept["versions"]), replayed=replayed)


# Old.

def old(rehearsal):
    """An earlier release beside this one."""
    binary = rehearsal.options.old
    rehearsal.publish(binary=binary)
    new = Worker(rehearsal.world, "new.log")
    new.until("polling", 0.0)
    rehearsal.ask(attributes=False)
    say("old: a new worker serves what the old program built and published")
    rehearsal.rest(6)
    rehearsal.publish(binary=binary)
    new.until("catalog_replaced", 0.0, to=rehearsal.history.version)
    rehearsal.rest(4)
    listed = rehearsal.catalog("versions")[0]
    if "?" not in listed:
        raise Problem(f"catalog versions shows the products of what an older release published: {listed}")
    ran = rehearsal.world.ran("catalog", "rollback", "--to", rehearsal.place)
    if ran.returncode != 1 or "name a version" not in ran.stderr:
        raise Problem(f"rollback without a version: exit {ran.returncode}: {ran.stderr}")
    stop(new.process)
    worker = Worker(rehearsal.world, "old.log", binary)
    worker.until("polling", 0.0)
    say("old: an old worker serves what the new program publishes")
    rehearsal.rest(4)
    rehearsal.publish()
    worker.until("catalog_replaced", 0.0, to=rehearsal.history.version)
    rehearsal.rest(4)
    serving = rehearsal.history.version
    file, changed = rehearsal.change()
    version, began = rehearsal.catalog("update", file)
    refusals = lambda: worker.lines("catalog_refused", began) + worker.lines("catalog_unknown", began)
    refused = until(30, "a refusal in old.log", refusals)[0]
    say(f"old: refused: {refused['event']}: {refused['error']}")
    rehearsal.expect(refused["serving"], serving, "the refusal")
    # For the old worker nothing is new: its jobs must be answered by what was current before.
    rehearsal.rest(4)
    version, began = rehearsal.catalog("compact")
    rehearsal.history.serves(version, changed, began)
    worker.until("catalog_replaced", began, to=version)
    say("old: an old worker serves what was compacted")
    rehearsal.rest(4)
    # What docs/operations.md says of a publish by an older release, after an update.
    file, changed = rehearsal.change()
    updated, _ = rehearsal.catalog("update", file)
    rehearsal.publish(binary=binary)
    if rehearsal.pointer().get("updates"):
        raise Problem("the old program kept updates")
    worker.until("catalog_replaced", 0.0, to=rehearsal.history.version)
    rehearsal.rest(4)
    rehearsal.traffic.end()
    rehearsal.expect(rehearsal.catalog("rollback", updated)[0], updated, "rollback")
    rehearsal.expect(len(rehearsal.pointer()["updates"]), 1, "updates after rollback")
    rehearsal.history.serves(updated, changed, time.time())
    rehearsal.whole()
    rehearsal.workers += [new, worker]
    account = rehearsal.account(errors={"catalog_refused", "catalog_unknown"})
    release = rehearsal.world.ran("--version", binary=binary).stdout.strip()
    refusal = f"{refused['event']}: {refused['error']}"
    return rehearsal.summary(account, refusal=refusal, release=release)


# The old program's catalogs are of its default model and dimension.
PARTS = {"swaps": (swaps, {}), "kills": (kills, {"visibility": VISIBILITY}),
         "old": (old, {"model": MODEL, "width": 384})}


def rehearsed(name, folder, options):
    part, settings = PARTS[name]
    rehearsal = None
    try:
        rehearsal = Rehearsal(name, folder, options, **settings)
        return part(rehearsal)
    except (Problem, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
        problem = f"{error}" if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        say(f"{name}: FAILED: {problem}")
        if rehearsal is None:
            return {"part": name, "problems": [problem]}
        rehearsal.problems.append(problem)
        return rehearsal.summary()
    finally:
        if rehearsal:
            rehearsal.end()


def markdown(summaries):
    lines = ["| | jobs | records | lost | wrong | mixed | versions that answered | longest by a replaced version |",
             "|---|---|---|---|---|---|---|---|"]
    columns = ("part", "jobs", "records", "lost", "wrong", "mixed", "versions_that_answered")
    for one in (one for one in summaries if "jobs" in one):
        cells = [str(one[column]) for column in columns]
        lines.append(f"| {' | '.join(cells)} | {one['longest_by_a_replaced_version_s']:.2f} s |")
    for one in summaries:
        if "latency_ms" in one:
            head = "| from sending to the record | jobs | p50 | p99 | longest | longest sending | longest scan |"
            lines += ["", head, "|---|---|---|---|---|---|---|"]
            for name, ms in one["latency_ms"].items():
                columns = ("p50", "p99", "longest", "longest_call_ms", "longest_scan_ms")
                cells = [f"{ms[column]:.0f} ms" for column in columns]
                lines.append(f"| {name} | {ms['jobs']} | {' | '.join(cells)} |")
            done = [f"{count} {what}" for what, count in one["done"].items()]
            shares = [f"{of['by_the_candidate']} of {of['jobs']} ({share})" for share, of in one["shares"].items()]
            lines += ["", f"Done: {', '.join(done)}. The worker swapped {one['swaps_of_the_worker']} times, longest "
                      f"load {one['longest_load_ms']} ms. Jobs that the candidate answered: {', '.join(shares)}."]
        if "kills" in one:
            lines += ["", "| | killed | of them after the pointer was written | ended |", "|---|---|---|---|"]
            lines += [f"| {kind} | {of['killed']} | {of['killed_after_the_pointer']} | {of['ended']} |"
                      for kind, of in one["kills"].items()]
            behind = f"{one['workers_killed_behind']} of them before they had taken up what was current"
            lines += ["", f"Workers killed: {one['workers_killed']}, {behind}. {one['replayed']} jobs came again after "
                      "their record was written."]
        if "refusal" in one:
            lines += ["", f"{one['release']} refuses updates: {one['refusal']}"]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, required=True, help="folder of devstack and nearline")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), help="swaps,kills,old")
    parser.add_argument("--old", type=Path, help="nearline of an earlier release, for the part of that name")
    parser.add_argument("--quick", action="store_true", help="fewer of everything: each part in about a minute")
    parser.add_argument("--seed", type=int, default=1, help="of what is random: order, pauses, moments of kills")
    parser.add_argument("--keep", type=Path, help="a new folder for logs and sources, which stay there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there, too")
    options = parser.parse_args()
    if set(options.only) - set(PARTS):
        parser.error(f"--only takes {','.join(PARTS)}")
    options.bin, options.old = options.bin.resolve(), options.old and options.old.resolve()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP.set())
    summaries = []
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        for name in PARTS:
            if name == "old" and not options.old:
                say("old: skipped: --old names no program of an earlier release")
            elif name in options.only:
                summaries.append(rehearsed(name, folder, options))
    print(markdown(summaries))
    if options.json:
        options.json.write_text(json.dumps(summaries, indent=1) + "\n")
    problems = [f"{one['part']}: {problem}" for one in summaries for problem in one["problems"]]
    if problems:
        sys.exit("rehearsal: " + "\n".join(problems))


if __name__ == "__main__":
    main()
