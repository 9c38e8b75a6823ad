"""Stand-ins, workers and commands, each a process of ours; and the few calls that the rehearsal makes itself.

Processes are ended by their ids. Calls are AWS's own protocols without signatures, which stand-ins do not check.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from asking import seconds

# What scripts of several folders share lies beside the folders.
sys.path.append(str(Path(__file__).resolve().parent.parent))
from processes import stop

START_SECONDS = 120  # the first start on a machine installs the stand-ins
COMMAND_SECONDS = 60
# Lines of releases whose lines had no `event`.
BEFORE_EVENTS = {
    "the catalog is loaded": "catalog_loaded",
    "polling": "polling",
    "the catalog was replaced": "catalog_replaced",
    "the new catalog is not used, the old one serves on": "catalog_refused",
    "cannot tell whether there is a new catalog": "catalog_unknown",
}
STOP = threading.Event()  # somebody has pressed Ctrl-C


class Problem(RuntimeError):
    """Something did not happen that has to."""


class Aws:
    """Calls of one thread at a time, each over a connection that stays open."""

    def __init__(self, env):
        self.env, self.place = env, urlsplit(env["AWS_ENDPOINT_URL"])
        self.queue, self.dead_letters = env["NEARLINE_QUEUE_URL"], env["NEARLINE_DEAD_LETTER_QUEUE_URL"]
        self.table = env["NEARLINE_RESULTS_TABLE"]
        self._each = threading.local()

    def request(self, method, path, service, body=None, headers=None):
        """Status and body of the answer."""
        credential = f"{self.env['AWS_ACCESS_KEY_ID']}/20260101/{self.env['AWS_REGION']}/{service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=none"
        connection = getattr(self._each, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self.place.hostname, self.place.port, timeout=30)
            self._each.connection = connection
        try:
            connection.request(method, path, body, {"Authorization": authorization, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._each.connection = None
            raise

    def call(self, service, target, **body):
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
        status, answer = self.request("POST", "/", service, json.dumps(body).encode(), headers)
        if status != 200:
            raise Problem(f"{target}: {status}: {answer[:200]!r}")
        return json.loads(answer)

    def send(self, bodies):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        answer = self.call("sqs", "AmazonSQS.SendMessageBatch", QueueUrl=self.queue, Entries=entries)
        if answer.get("Failed"):
            raise Problem(f"the stand-in did not take messages: {answer['Failed'][0]}")

    def waiting(self, queue):
        """Messages of a queue, seen and unseen."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.call("sqs", "AmazonSQS.GetQueueAttributes", QueueUrl=queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def records(self, ids):
        """Of at most 100 jobs, the items of those that have a record."""
        keys = [{"request_id": {"S": name}} for name in ids]
        items = {self.table: {"Keys": keys, "ConsistentRead": True}}
        answer = self.call("dynamodb", "DynamoDB_20120810.BatchGetItem", RequestItems=items)
        return answer["Responses"].get(self.table, [])

    def items(self):
        """How many the table has in all."""
        found, after = 0, {}
        while True:
            answer = self.call("dynamodb", "DynamoDB_20120810.Scan", TableName=self.table, Select="COUNT", **after)
            found += answer["Count"]
            if not answer.get("LastEvaluatedKey"):
                return found
            after = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def object(self, key, body=None):
        """Reads an object of the catalog's prefix, or writes it; `None`: there is none."""
        method = "GET" if body is None else "PUT"
        path = "/" + self.env["NEARLINE_CATALOG"].removeprefix("s3://") + "/" + key
        status, answer = self.request(method, path, "s3", body)
        if status == 404:
            return None
        if status != 200:
            raise Problem(f"{method} {key}: {status}: {answer[:200]!r}")
        return answer

    def keys(self):
        """All keys below the prefix."""
        bucket, prefix = self.env["NEARLINE_CATALOG"].removeprefix("s3://").split("/", 1)
        _, answer = self.request("GET", f"/{bucket}?list-type=2&max-keys=1000&prefix={prefix}/", "s3")
        if b"<IsTruncated>true" in answer:
            raise Problem("more than 1,000 objects")
        return set(re.findall(r"<Key>([^<]*)</Key>", answer.decode()))


class Worker:
    """`nearline worker`, and what its log says. Started again, it is another process with the same log."""

    def __init__(self, world, log, binary=None):
        self.world, self.binary, self.path = world, binary or world.bin / "nearline", world.folder / log
        self._lines, self._read = [], 0
        self.process = None
        self.start()

    def start(self):
        self.began = time.time()
        self.process = self.world.start(self.path, [self.binary, "worker", "--concurrency", "4"])

    def kill(self):
        """SIGKILL; whether it was still running."""
        self.process.kill()
        return self.process.wait(30) == -signal.SIGKILL

    def lines(self, event=None, after=0.0):
        with open(self.path, "rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[:new.rfind(b"\n") + 1]
        self._read += len(whole)
        for text in whole.splitlines():
            if text.startswith(b"{"):
                line = json.loads(text)
                told = line.get("event") or BEFORE_EVENTS.get(line["message"])
                self._lines.append({**line, "event": told, "at": seconds(line["timestamp"])})
        return [line for line in self._lines if line["at"] >= after and event in (None, line.get("event"))]

    def until(self, event, after, limit=30, **fields):
        """Waits for a line of the log."""
        def found():
            if self.process.poll() is not None:
                raise Problem(f"the worker ended: {self.path.read_text()[-500:]}")
            lines = self.lines(event, after)
            fits = lambda line: all(line.get(name) == value for name, value in fields.items())
            return next(filter(fits, lines), None)

        return until(limit, f"{event} {fields} in {self.path.name}", found)


def until(limit, what, happened):
    """Waits for it; its first true value."""
    end = time.time() + limit
    while time.time() < end:
        if STOP.is_set():
            raise Problem("stopped")
        found = happened()
        if found:
            return found
        time.sleep(0.05)
    raise Problem(f"did not come within {limit:.0f} s: {what}")


class World:
    """Stand-ins of its own, with a catalog's prefix."""

    def __init__(self, folder, bin, visibility):
        self.folder, self.bin, self.running = folder, bin, []
        self.env = {}
        folder.mkdir()
        file = folder / "env"
        up = self.start(folder / "up.log", [bin / "devstack", "up", "--visibility-timeout-seconds", visibility,
                                            "--env-file", file])
        ended = lambda: up.poll() is not None
        until(START_SECONDS, "stand-ins", lambda: file.exists() or ended())
        if ended():
            raise Problem(f"the stand-ins did not start: {(folder / 'up.log').read_text()[-500:]}")
        self.env = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        self.env["NEARLINE_CATALOG_REFRESH_SECONDS"] = "1"
        self.aws, self.place = Aws(self.env), self.env["NEARLINE_CATALOG"]

    def start(self, log, command, env=None):
        with open(log, "ab") as output:
            process = subprocess.Popen([str(part) for part in command], env={**os.environ, **self.env, **(env or {})},
                                       stdout=output, stderr=output, start_new_session=True)
        self.running.append(process)
        return process

    def ran(self, *arguments, binary=None, env=None):
        """A command that has ended by itself."""
        command = [str(part) for part in (binary or self.bin / "nearline", *arguments)]
        return subprocess.run(command, env={**os.environ, **self.env, **(env or {})}, capture_output=True, text=True,
                              check=False, timeout=COMMAND_SECONDS)

    def nearline(self, *arguments, binary=None, env=None):
        """What a command prints; it must succeed."""
        ran = self.ran(*arguments, binary=binary, env=env)
        if ran.returncode:
            words = " ".join(map(str, arguments))
            raise Problem(f"nearline {words}: exit {ran.returncode}: {ran.stderr.strip()[-400:]}")
        return ran.stdout.strip()

    def end(self):
        for process in reversed(self.running):
            stop(process)


class Aged:
    """A way to the stand-ins on which all that is older than some seconds is older than a day, as `prune` sees it."""

    def __init__(self, endpoint, young):
        place, back = urlsplit(endpoint), timedelta(days=1, seconds=-young)

        def earlier(match):
            at = datetime.fromisoformat(match[1].decode().replace("Z", "+00:00")) - back
            return b"<LastModified>" + at.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode() + b"</LastModified>"

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                onward = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
                try:
                    onward.request(self.command, self.path, body, headers)
                    answer = onward.getresponse()
                    content = answer.read()
                finally:
                    onward.close()
                content = re.sub(rb"<LastModified>([^<]*)</LastModified>", earlier, content)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass  # whoever asked was killed

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.env = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self):
        self._server.shutdown()
        self._server.server_close()


def long_ago(began_at, minutes):
    """A time of day as a mark has it, so much earlier."""
    at = datetime.fromisoformat(began_at.replace("Z", "+00:00")) - timedelta(minutes=minutes)
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
