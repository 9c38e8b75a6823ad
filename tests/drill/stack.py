"""A world of its own for each fault: stand-ins, a proxy that faults are switched on in, a worker, traffic, alarms.

Processes are ended by their ids. Calls are AWS's own protocols without signatures, which stand-ins do not check.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from alarms import Watch, seconds

# What scripts of several folders share lies beside the folders.
sys.path.append(str(Path(__file__).resolve().parent.parent))
from processes import stop

ROOT = Path(__file__).parents[2]
STOP = threading.Event()  # somebody has pressed Ctrl-C
START_SECONDS = 120  # the first start on a machine installs the stand-ins
CALM_SECONDS = 8  # of steady traffic before anything is wrong


class Problem(Exception):
    """Something did not happen that a drill expects."""


class Aws:
    """The few calls that the drill makes itself."""

    def __init__(self, env):
        self.env, self.endpoint = env, env["AWS_ENDPOINT_URL"]
        self.queue, self.table = env["NEARLINE_QUEUE_URL"], env["NEARLINE_RESULTS_TABLE"]

    def request(self, method, url, service, body=None, headers=None):
        credential = f"{self.env['AWS_ACCESS_KEY_ID']}/20260101/{self.env['AWS_REGION']}/{service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=none"
        request = urllib.request.Request(url, body, {"Authorization": authorization, **(headers or {})}, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def call(self, service, target, **body):
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
        return json.loads(self.request("POST", self.endpoint, service, json.dumps(body).encode(), headers) or "{}")

    def send(self, bodies):
        for begin in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[begin:begin + 10])]
            answer = self.call("sqs", "AmazonSQS.SendMessageBatch", QueueUrl=self.queue, Entries=entries)
            if answer.get("Failed"):
                raise Problem(f"the stand-in did not take messages: {answer['Failed'][0]}")

    def visible(self, queue):
        names = ["ApproximateNumberOfMessages"]
        answer = self.call("sqs", "AmazonSQS.GetQueueAttributes", QueueUrl=queue, AttributeNames=names)
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def answered(self, ids):
        """Of at most 100 jobs, those that have a record, by status."""
        keys = [{"request_id": {"S": name}} for name in ids]
        items = {self.table: {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "request_id, #s",
                              "ExpressionAttributeNames": {"#s": "status"}}}
        answer = self.call("dynamodb", "DynamoDB_20120810.BatchGetItem", RequestItems=items)
        return {item["request_id"]["S"]: item["status"]["S"] for item in answer["Responses"].get(self.table, [])}

    def object(self, key, body=None):
        """Reads an object of the catalog's bucket, or writes it."""
        bucket, prefix = self.env["NEARLINE_CATALOG"].removeprefix("s3://").split("/", 1)
        method = "GET" if body is None else "PUT"
        return self.request(method, f"{self.endpoint}/{bucket}/{prefix}/{key}", "s3", body)


class Traffic:
    """Jobs at a steady rate, `burst` at a time, and an account of each."""

    def __init__(self, aws, name, rate, burst):
        self.aws, self.name, self.rate, self.burst = aws, name, rate, burst
        self.sent, self.open, self.rejected = 0, {}, 0
        self.error, self._lock, self._stop = None, threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in (self._send, self._ask)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Sends no more; answers are still asked for."""
        self.rate = 0

    def end(self):
        self._stop.set()
        for thread in self.threads:
            thread.join(30)

    def open_before(self, at):
        """Jobs that were sent before this time and have no record yet."""
        with self._lock:
            return [name for name, sent in self.open.items() if sent <= at]

    def _run(self, work):
        try:
            while not self._stop.is_set():
                work()
        except (OSError, Problem, ArithmeticError, LookupError, ValueError) as error:
            self.error = f"{type(error).__name__}: {error}"

    def _send(self):
        rate = self.rate
        if not rate:
            self._stop.wait(1)
            return
        began, numbers = time.time(), range(self.sent, self.sent + self.burst)
        # Each text is new: what was embedded before takes no call.
        jobs = [{"request_id": f"{self.name}-{n}", "query": f"hiking boots number {n} of {self.name}", "top_k": 3} for n in numbers]
        with self._lock:
            self.open.update((job["request_id"], began) for job in jobs)
        self.sent += self.burst
        self.aws.send([json.dumps(job) for job in jobs])
        self._stop.wait(max(0, began + self.burst / rate - time.time()))

    def _ask(self):
        with self._lock:
            names = list(self.open)
        for begin in range(0, len(names), 100):
            answered = self.aws.answered(names[begin:begin + 100])
            with self._lock:
                for name, status in answered.items():
                    self.rejected += status != "SUCCEEDED"
                    del self.open[name]
        self._stop.wait(0.5)


class World:
    """Everything for one fault. `pace` is how many seconds pass in one of ours."""

    def __init__(self, name, folder, options, reading, say):
        self.name, self.folder, self.bin, self.pace, self.say = name, folder, options.bin, options.pace, say
        self.reading, self.watch = reading, Watch({}, {}, options.pace)
        self.running, self.env, self.traffic, self.lambda_stats = [], {}, None, None
        self.on, self.transitions, self.calm, self.injected = set(), [], None, None
        self._stop, self._threads = threading.Event(), []
        folder.mkdir()

    # Processes.

    def start(self, log, *command, env=None):
        output = open(self.folder / log, "ab")
        process = subprocess.Popen([self.bin / command[0], *map(str, command[1:])], env={**os.environ, **self.env, **(env or {})},
                                   stdout=output, stderr=output, start_new_session=True)
        self.running.append(process)
        return process

    def started(self, process, file):
        """Waits for the settings that a command writes once it is ready."""
        until = time.time() + START_SECONDS
        while not file.exists():
            if process.poll() is not None or time.time() > until:
                raise Problem(f"{process.args[1]} did not start: {self.folder}")
            time.sleep(0.05)
        return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        if self.traffic:
            self.traffic.end()
        for process in reversed(self.running):
            stop(process)

    # The stack.

    def up(self, *, visibility=60, faults=()):
        """Stand-ins and the proxy, which lets the waits that a worker asks for pass at the drill's pace."""
        up = self.start("up.log", "devstack", "up", "--visibility-timeout-seconds", visibility, "--env-file", self.folder / "env")
        self.direct = self.started(up, self.folder / "env")
        self.env = dict(self.direct)
        proxy = self.start("proxy.log", "devstack", "proxy", "--rate", 0, "--hurry", self.pace, "--env-file", self.folder / "proxy")
        self.env |= self.started(proxy, self.folder / "proxy")
        self.env |= {"NEARLINE_CATALOG_REFRESH_SECONDS": str(max(1, round(60 / self.pace)))}
        self.aws = Aws(self.direct)
        self.usual = list(faults)
        self.faults()

    def faults(self, *faults):
        """These stand from now on, and what is usual."""
        body = json.dumps([*faults, *self.usual]).encode()
        headers = {"Content-Type": "application/json"}
        self.aws.request("PUT", self.env["AWS_ENDPOINT_URL"] + "/_devstack/faults", "none", body, headers)

    def publish(self, source, *build):
        artifact = self.folder / "catalog.arrow"
        for arguments in (["build", "--input", source, "--output", artifact, *build],
                          ["publish", artifact, "--to", self.env["NEARLINE_CATALOG"]]):
            ran = self.nearline("catalog", *arguments, env=self.direct)
            if ran.returncode:
                raise Problem(f"catalog {arguments[0]}: {ran.stderr.strip()}")

    def nearline(self, *arguments, env=None):
        command = [self.bin / "nearline", *map(str, arguments)]
        return subprocess.run(command, env={**os.environ, **(env or self.env)}, capture_output=True, text=True, check=False)

    def worker(self, log="worker.log", **env):
        """`nearline worker`; its lines count from now on."""
        process = self.start(log, "nearline", "worker", env=env)
        self._follow(self.folder / log)
        return process

    def function(self):
        """The real `bootstrap`, served as Lambda Managed Instances and the event source mapping do."""
        self.lambda_stats = self.folder / "lambda.json"
        process = self.start("lambda.log", "devstack", "lambda", "--bootstrap", self.bin / "bootstrap", "--concurrency", 16,
                             "--stats-file", self.lambda_stats)
        self._follow(self.folder / "lambda.log")
        return process

    def serve(self, rate, burst=1, calm=CALM_SECONDS):
        """Steady traffic, so many jobs a second; returns when it has been answered at once for a while and nothing rings."""
        self.watch.alarms, self.watch.filters = self.reading.result()
        self.traffic = Traffic(self.aws, self.name, rate, burst)
        self._spawn(self._look)
        answered = lambda: self.traffic.sent > len(self.traffic.open) and not self.traffic.open_before(time.time() - 2)
        self.until(START_SECONDS, "answers", answered)
        # Lines of what had waited until now come within a second.
        self.calm = time.time() + 2
        time.sleep(2 + calm)
        if self.on:
            raise Problem(f"rings before anything is wrong: {', '.join(sorted(self.on))}")

    # What is seen.

    def until(self, limit, what, happened):
        """Waits for it; its first true value. `what` may be a function that says what is missing at the end."""
        end = time.time() + limit
        while time.time() < end:
            if STOP.is_set():
                raise Problem("stopped")
            if self.traffic and self.traffic.error:
                raise Problem(f"traffic: {self.traffic.error}")
            found = happened()
            if found:
                return found
            time.sleep(0.1)
        raise Problem(f"did not come within {limit:.0f} s: {what() if callable(what) else what}")

    def since(self, at=None):
        """Seconds since the fault was injected."""
        return round((at or time.time()) - self.injected, 1)

    def lines(self, event=None, after=0.0, **fields):
        wanted = {**fields, **({"event": event} if event else {})}
        return [line for line in list(self.watch.lines)
                if line["at"] >= after and all(line.get(name) == value for name, value in wanted.items())]

    def _spawn(self, work, *arguments):
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _follow(self, file):
        self._spawn(self._tail, file)

    def _tail(self, file):
        """Reads a log as it grows; what is no JSON is a program's own word to people."""
        with open(file, "rb") as log:
            rest = b""
            while not self._stop.is_set():
                rest += log.read()
                *whole, rest = rest.split(b"\n")
                for text in whole:
                    if text.startswith(b"{"):
                        line = json.loads(text)
                        self.watch.log({**line, "at": seconds(line["timestamp"])})
                time.sleep(0.1)

    def _look(self):
        """A minute's end, again and again: measures what queues and the mapping say, and evaluates each alarm."""
        minute = 60 / self.pace
        before = {}
        end = time.time()
        while not self._stop.wait(max(0, end - time.time())):
            try:
                self._measure(before)
            except (OSError, ValueError, KeyError) as error:
                self.say(self, f"could not measure: {error}")
            now = time.time()
            for name, alarm in self.watch.alarms.items():
                is_on = self.watch.measured(alarm) and self.watch.is_on(alarm, now)
                if is_on != (name in self.on):
                    (self.on.add if is_on else self.on.discard)(name)
                    self.transitions.append((now, name, is_on))
                    if self.injected:
                        self.say(self, f"{self.since(now):5.1f} s  alarm {name} ({alarm.severity}) is {'on' if is_on else 'over'}")
            end += minute

    def _measure(self, before):
        now = time.time()
        for queue in (self.direct["NEARLINE_QUEUE_URL"], self.direct["NEARLINE_DEAD_LETTER_QUEUE_URL"]):
            name = queue.rsplit("/", 1)[1]
            self.watch.sample(now, "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": name}, self.aws.visible(queue))
        if self.lambda_stats and self.lambda_stats.exists():
            self._measure_mapping(now, json.loads(self.lambda_stats.read_text()), before)

    def _measure_mapping(self, now, stats, before):
        """devstack plays Lambda's mapping, and counts what Lambda would."""
        counts = {"FailedInvokeEventCount": stats["messages_failed"],
                  "InvokedEventCount": stats["messages_failed"] + stats["messages_deleted"]}
        for metric in self.watch.alarms["mapping-failures"].metrics.values():
            count = counts[metric.name]
            self.watch.sample(now, metric.namespace, metric.name, dict(metric.dimensions), count - before.get(metric.name, 0))
            before[metric.name] = count
