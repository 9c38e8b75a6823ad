"""Five faults for people on call, one of them in two forms: each is injected under steady traffic, seen, and fixed.

For each the drill shows what the log says, which alarm rings, under which heading of docs/operations.md one reads on,
which commands fix it, and when every job is accounted for. Time passes faster: see --pace. Standard library only.
"""

import argparse
import contextlib
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import alarms
from stack import ROOT, STOP, Problem, World, stop

MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"
EMBED, SCAN = ("embed_ms",), ("scan_wait_ms", "scan_ms")
PLAYBOOK = (ROOT / "docs" / "operations.md").read_text()
STARTED, PRINTING = time.monotonic(), threading.Lock()


def say(world, text):
    with PRINTING:
        print(f"{time.monotonic() - STARTED:5.0f} s  {world.name:14} {text}", file=sys.stderr, flush=True)


class Drill:
    """One fault on its way: what was seen and done, with the seconds since it was injected."""

    def __init__(self, world, title):
        self.world, self.title = world, title
        self.events, self.rang, self.commands, self.headings, self.stages = [], [], [], [], {}
        self.only_on_aws, self.accounted, self.dead_letters, self.problems = [], None, 0, []

    def inject(self, text, *faults):
        self.world.injected = time.time()
        self.world.faults(*faults)
        say(self.world, f"  0.0 s  injected: {text}")

    def event(self, name, told="", matches=lambda line: True, **fields):
        """Waits for a line of the log, which the playbook must explain."""
        if f"`{name}`" not in PLAYBOOK:
            raise Problem(f"docs/operations.md does not know the event {name}")
        after = self.world.injected
        find = lambda: next(filter(matches, self.world.lines(name, after, **fields)), None)
        line = self.world.until(60, f"the event {name}", find)
        told = told or " ".join(str(value) for value in fields.values())
        self.events.append({"event": name, "told": told, "seconds": self.world.since(line["at"])})
        say(self.world, f"{self.world.since(line['at']):5.1f} s  event {name} {told}")
        return line

    def alarm(self, name):
        """Waits until it is on. Its heading must be one of the playbook's."""
        alarm = self.read_on(name)
        limit = alarm.period * (alarm.periods + 1) / self.world.pace + 30
        self.world.until(limit, f"the alarm {name}", lambda: name in self.world.on)
        at = next(at for at, changed, on in self.world.transitions if changed == name and on and at >= self.world.injected)
        self.rang.append({"alarm": name, "severity": alarm.severity, "when": alarm.when(), "on": self.world.since(at)})

    def read_on(self, name):
        """Notes where an alarm leads to."""
        alarm = self.world.watch.alarms.get(name)
        if not alarm:
            raise Problem(f"Terraform makes no alarm {name}")
        if f"\n### {alarm.heading}\n" not in PLAYBOOK:
            raise Problem(f"docs/operations.md has no heading {alarm.heading!r}, which the alarm {name} leads to")
        if alarm.heading not in self.headings:
            self.headings.append(alarm.heading)
        return alarm

    def on_aws_also(self, *names):
        """Alarms that would ring there, on metrics that no stand-in has."""
        for name in names:
            if self.world.watch.measured(self.world.watch.alarms[name]):
                raise Problem(f"the alarm {name} can be evaluated here")
            self.only_on_aws.append(name)
            self.read_on(name)

    def run(self, *arguments, exits=0, **env):
        """A command of the playbook; what it prints."""
        began = self.world.since()
        ran = self.world.nearline(*arguments, env={**self.world.env, **env})
        places = {self.world.env["NEARLINE_CATALOG"]: "s3://BUCKET/PREFIX"}
        shown = " ".join(["nearline", *(places.get(argument, argument) for argument in arguments)])
        self.commands.append({"command": shown, "seconds": began, "exit": ran.returncode})
        say(self.world, f"{began:5.1f} s  $ {shown}: exit {ran.returncode}")
        if ran.returncode != exits:
            raise Problem(f"{shown}: exit {ran.returncode}, not {exits}: {ran.stderr.strip()[-300:]}")
        return ran.stdout

    def act(self, text):
        """What is done elsewhere than with nearline."""
        self.commands.append({"command": text, "seconds": self.world.since(), "exit": None})
        say(self.world, f"{self.world.since():5.1f} s  done: {text}")

    def replace(self, worker, text, **env):
        """A new worker takes over, and the old one drains."""
        new = self.world.worker("worker-2.log", **env)
        self.world.until(60, "the new worker", lambda: len(self.world.lines("polling", self.world.injected)) > 0)
        self.act(text)
        stop(worker)
        if worker.returncode != 0:
            raise Problem(f"the old worker did not drain: exit {worker.returncode}")
        return new

    def over(self, silent=()):
        """Waits until the alarms are over and each job that was sent before the fix has its record; then the rest."""
        world, fixed = self.world, time.time()
        longest = max(world.watch.alarms[rang["alarm"]].period * world.watch.alarms[rang["alarm"]].periods for rang in self.rang)

        def done():
            if self.accounted is None and not world.traffic.open_before(fixed):
                self.accounted = world.since()
                say(world, f"{self.accounted:5.1f} s  every job that was sent before the fix is accounted for")
            return self.accounted is not None and not any(rang["alarm"] in world.on for rang in self.rang)

        def missing():
            jobs = world.traffic.open_before(fixed)
            still_on = [rang["alarm"] for rang in self.rang if rang["alarm"] in world.on]
            return f"records of {len(jobs)} jobs {jobs[:3]}; the end of the alarms {still_on}"

        world.until(longest / world.pace + 90, missing, done)
        for rang in self.rang:
            last = max(at for at, name, on in world.transitions if name == rang["alarm"] and not on)
            rang["over"] = world.since(last)
        world.traffic.stop()
        world.until(60, lambda: f"records of {len(world.traffic.open)} jobs", lambda: not world.traffic.open)
        left = world.aws.visible(world.direct["NEARLINE_DEAD_LETTER_QUEUE_URL"])
        if left:
            raise Problem(f"{left} dead letters are left")
        if world.traffic.rejected:
            raise Problem(f"{world.traffic.rejected} jobs were rejected")
        expected = {rang["alarm"] for rang in self.rang}
        for name in {name for at, name, on in world.transitions if on} - expected:
            alarm = world.watch.alarms[name]
            at = next(at for at, changed, on in world.transitions if changed == name and on)
            if alarm.severity == "page" or name in silent:
                raise Problem(f"the alarm {name} rang, too, after {world.since(at)} s")
            self.rang.append({"alarm": name, "severity": alarm.severity, "when": alarm.when(), "on": world.since(at), "also": True})

    def spent(self, fields, percent, begin, end):
        """A percentile of what batches spent in these stages."""
        lines = [line for line in self.world.lines("batch", begin) if line["at"] < end]
        return alarms.percentile([sum(line.get(field, 0) for field in fields) for line in lines], percent)

    def compare_stages(self):
        """Before the fault, and while it lasts."""
        world = self.world
        for fields in (EMBED, SCAN):
            before = self.spent(fields, 90, world.calm, world.injected)
            self.stages[" + ".join(fields)] = {"before": before, "during": self.spent(fields, 90, world.injected + 2, time.time())}

    def summary(self):
        traffic = self.world.traffic
        jobs = {"sent": traffic.sent, "records": traffic.sent - len(traffic.open)} if traffic else {}
        return {"fault": self.world.name, "title": self.title, "events": self.events, "alarms": self.rang, "headings": self.headings,
                "only_on_aws": self.only_on_aws, "commands": self.commands, "jobs": jobs, "dead_letters": self.dead_letters,
                "accounted": self.accounted, "stages": self.stages, "problems": self.problems}


def access(drill):
    """model access revoked"""
    world = drill.world
    world.up()
    world.publish(ROOT / "examples" / "catalog.csv")
    world.function()
    world.serve(8)
    drill.inject("Bedrock answers AccessDeniedException", {"service": "bedrock", "fault": "access_denied"})
    drill.event("jobs_blocked", cause="access_denied")
    drill.alarm("blocked")
    drill.run("doctor", exits=1)
    world.faults()
    drill.act("access to the model is granted again")
    drill.run("doctor")
    drill.over()


def table(drill):
    """table throttled"""
    world = drill.world
    world.up()
    world.publish(ROOT / "examples" / "catalog.csv")
    world.function()
    world.serve(8)
    drill.inject("DynamoDB throttles PutItem", {"service": "dynamodb", "operation": "PutItem", "fault": "throttle"})
    drill.event("jobs_retried", cause="throttled")
    drill.alarm("mostly-retried")
    drill.on_aws_also("records-throttled")
    drill.run("status")
    world.faults()
    drill.act("the table takes more: it has grown by itself, or has warm_throughput")
    drill.run("status")
    drill.over()


def catalog(drill):
    """catalog broken"""
    world = drill.world
    world.up()
    world.publish(ROOT / "examples" / "catalog.csv")
    world.worker()
    world.serve(8)
    pointer = json.loads(world.aws.object("current.json"))
    serving = pointer["version"]
    # nearline publishes none that it cannot load; another tool may, or an upload that broke off.
    half = world.aws.object(f"catalogs/{serving}.arrow")[:pointer["bytes"] // 2]
    sha256 = hashlib.sha256(half).hexdigest()
    key = pointer["key"].replace(serving, sha256[:16])
    world.aws.object(f"catalogs/{sha256[:16]}.arrow", half)
    broken = json.dumps({**pointer, "version": sha256[:16], "key": key, "sha256": sha256, "bytes": len(half)}).encode()
    drill.inject("half an artifact is published")
    world.aws.object("current.json", broken)
    refused = drill.event("catalog_refused")
    if refused["serving"] != serving:
        raise Problem(f"catalog_refused says that {refused['serving']} serves, not {serving}")
    drill.alarm("catalog-refresh")
    place = world.env["NEARLINE_CATALOG"]
    drill.run("catalog", "inspect", place, exits=1)
    drill.run("catalog", "rollback", refused["serving"], "--to", place)
    drill.run("catalog", "inspect", place)
    drill.over()


def poison(drill):
    """poison flood"""
    world = drill.world
    world.up()
    world.publish(ROOT / "examples" / "catalog.csv")
    world.worker(NEARLINE_MAX_ATTEMPTS="2")
    world.serve(8)
    sent, stop = [], threading.Event()

    def flood():
        while not stop.wait(1):
            bodies = [f"<job number='{len(sent) + n}'/>" if n % 4 else json.dumps({"query": "boots"}) for n in range(8)]
            world.aws.send(bodies)
            sent.extend(bodies)

    flooding = threading.Thread(target=flood, daemon=True)
    throttle = {"service": "bedrock", "fault": "throttle"}
    drill.inject("a producer sends what is no job; for a moment Bedrock throttles, and jobs are given up after 2 attempts", throttle)
    flooding.start()
    try:
        drill.event("dead_lettered", code="invalid_json")
        drill.event("dead_lettered", code="attempts_exhausted")
        world.faults()
        drill.alarm("dead-letters")
        drill.alarm("many-dead-letters")
    finally:
        stop.set()
        flooding.join()
    drill.act("the producer is stopped")
    world.until(30, "the rest of the flood", lambda: world.aws.visible(world.direct["NEARLINE_QUEUE_URL"]) < 3)
    listed = json.loads(drill.run("dead-letters", "list", "--json"))
    counts = {reason["code"]: reason["count"] for reason in listed["reasons"]}
    poisoned = counts.get("invalid_json", 0) + counts.get("invalid_request_id", 0)
    drill.dead_letters = sum(counts.values())
    if poisoned != len(sent) or not counts.get("attempts_exhausted"):
        raise Problem(f"{len(sent)} poisonous messages were sent, dead letters are {counts}")
    dropped = drill.run("dead-letters", "drop", "--code", "invalid_json", "--code", "invalid_request_id", "--yes", "--json")
    resent = drill.run("dead-letters", "resend", "--code", "attempts_exhausted", "--json")
    if (json.loads(dropped)["dropped"], json.loads(resent)["resent"]) != (poisoned, counts["attempts_exhausted"]):
        raise Problem(f"dead letters were {counts}; dropped: {dropped.strip()}; resent: {resent.strip()}")
    drill.run("dead-letters", "list")
    drill.over()


def model(drill):
    """worker at a tenth of its speed: the model"""
    world = drill.world
    world.up(faults=[{"service": "bedrock", "fault": {"delay_ms": 250}}])
    world.publish(ROOT / "examples" / "catalog.csv")
    worker = world.worker(NEARLINE_EMBEDDING_MODEL=f"us.{MODEL}")
    world.serve(8)
    slow = {"service": "bedrock", "path": "/model/us.", "fault": {"delay_ms": 2500}}
    drill.inject("a call of the model takes 2,500 ms, not 250", slow)
    threshold = world.watch.alarms["embedding-slow"].threshold
    drill.event("batch", f"`embed_ms` above {threshold:g}", lambda line: line.get("embed_ms", 0) > threshold)
    drill.alarm("embedding-slow")
    drill.compare_stages()
    drill.replace(worker, f"another profile: NEARLINE_EMBEDDING_MODEL=global.{MODEL} nearline worker, and SIGTERM to the old one",
                  NEARLINE_EMBEDDING_MODEL=f"global.{MODEL}")
    drill.over(silent=["scan-slow"])


@contextlib.contextmanager
def a_tenth_of_a_processor(process):
    """That is all it gets; a process of its own sees to it, which has to be quick."""
    keeper = subprocess.Popen([sys.executable, Path(__file__).with_name("tenth.py"), str(process.pid)])
    try:
        yield
    finally:
        keeper.terminate()
        keeper.wait()


def write_large(file, rows, dimension=384):
    """Products with vectors of their own: small numbers, quick to write and to read."""
    draw = random.Random(7)
    digits = [str(byte % 19 - 9) for byte in range(256)]
    with open(file, "w") as source:
        for row in range(rows):
            vector = ",".join([digits[byte] for byte in draw.randbytes(dimension)])
            source.write(f'{{"product_id":"p{row}","category":"c{row % 8}","embedding":[{vector}]}}\n')


def scan(drill):
    """worker at a tenth of its speed: its processor"""
    world = drill.world
    world.up(faults=[{"service": "bedrock", "fault": {"delay_ms": 250}}])
    write_large(world.folder / "large.jsonl", 20_000)
    world.publish(world.folder / "large.jsonl", "--model", MODEL)
    few = {"NEARLINE_SEARCH_THREADS": "1", "NEARLINE_KERNEL": "portable"}
    worker = world.worker(**few)
    world.serve(2.5, burst=5, calm=12)  # so that a scan has work to do: five queries
    # As the description of scan_slow_ms says: by what is usual for this catalog, on this machine.
    threshold = 2 * drill.spent(SCAN, 50, world.calm, time.time())
    world.watch.alarms["scan-slow"] = replace(world.watch.alarms["scan-slow"], threshold=threshold)
    drill.inject("the worker gets a tenth of a processor")
    with a_tenth_of_a_processor(worker):
        drill.event("batch", f"`scan_wait_ms` and `scan_ms` above {threshold:.0f}",
                    lambda line: line.get("scan_wait_ms", 0) + line.get("scan_ms", 0) > threshold)
        drill.alarm("scan-slow")
        drill.compare_stages()
        drill.replace(worker, "another machine: nearline worker there, and SIGTERM to the slow one", **few)
    drill.over(silent=["embedding-slow"])


FAULTS = {work.__name__: work for work in (access, table, catalog, poison, model, scan)}
LONGEST = ["scan", "access", "table", "poison", "model", "catalog"]


def drilled(name, folder, options, reading):
    world = World(name, folder / name, options, reading, say)
    drill = Drill(world, FAULTS[name].__doc__)
    try:
        FAULTS[name](drill)
    except (Problem, OSError, ValueError, LookupError, RuntimeError) as error:
        drill.problems.append(f"{error}" if isinstance(error, Problem) else f"{type(error).__name__}: {error}")
        say(world, f"FAILED: {drill.problems[-1]}")
    finally:
        world.end()
    return drill.summary()


def markdown(summaries, pace):
    """The table; times are seconds since the injection."""
    lines = [f"Times are seconds since the fault was injected. A minute of an alarm is {60 / pace:g} s here.", "",
             "| fault | the log says | alarm rings | heading | done | every job accounted for | alarm over |", "|---|---|---|---|---|---|---|"]
    at = lambda seconds: f"{seconds:.0f} s"
    for one in summaries:
        events = "<br>".join(f"{at(event['seconds'])}: `{event['event']}` {event['told']}".strip() for event in one["events"])
        rang = [f"{at(alarm['on'])}: `{alarm['alarm']}` ({alarm['severity']}{', also' if alarm.get('also') else ''}; {alarm['when']})"
                for alarm in one["alarms"]]
        rang += [f"on AWS also `{name}`, whose metric no stand-in has" for name in one["only_on_aws"]]
        done = "<br>".join(f"{at(command['seconds'])}: " + (command["command"] if command["exit"] is None else
                           f"`{command['command']}`" + (f" (exit {command['exit']})" if command["exit"] else ""))
                           for command in one["commands"])
        over = "<br>".join(f"{at(alarm['over'])}: `{alarm['alarm']}`" for alarm in one["alarms"] if "over" in alarm)
        jobs = one["jobs"]
        accounted = f"{at(one['accounted'])}; {jobs['records']} of {jobs['sent']} have a record" if one["accounted"] is not None else "**no**"
        if one["dead_letters"]:
            accounted += f", {one['dead_letters']} dead letters were dropped or sent again"
        lines.append(f"| {one['title']} | {events} | {'<br>'.join(rang)} | {'<br>'.join(one['headings'])} | {done} | {accounted} | {over} |")
    if any(one["stages"] for one in summaries):
        lines += ["", "| fault | stage | p90 before | p90 while it lasts |", "|---|---|---|---|"]
    for one in summaries:
        lines += [f"| {one['title']} | {stage} | {ms['before']:.0f} ms | {ms['during']:.0f} ms |" for stage, ms in one["stages"].items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, required=True, help="folder of devstack, nearline and bootstrap")
    parser.add_argument("--only", choices=FAULTS, nargs="*", default=list(FAULTS), help="faults; all unless given")
    parser.add_argument("--pace", type=int, default=20, help="how many seconds pass in one: of alarms' periods, and of SQS's waits")
    parser.add_argument("--at-once", type=int, default=3, help="worlds at a time")
    parser.add_argument("--keep", type=Path, help="a new folder for the logs, which stay there")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args()
    options.bin = options.bin.resolve()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP.set())
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(options.at_once) as pool:
            reading = reader.submit(alarms.read, ROOT / "terraform")
            # The longest first.
            order = [name for name in FAULTS if name in options.only]
            worlds = {name: pool.submit(drilled, name, folder, options, reading) for name in sorted(order, key=LONGEST.index)}
            summaries = [worlds[name].result() for name in order]
    print(json.dumps(summaries, indent=1) if options.json else markdown(summaries, options.pace))
    problems = [f"{one['title']}: {problem}" for one in summaries for problem in one["problems"]]
    if problems:
        sys.exit("drill: " + "; ".join(problems))


if __name__ == "__main__":
    main()
