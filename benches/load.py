"""How long a catalog takes until it can answer, and how much memory at most: from disk and from S3, beside others.

python3 -m venv /tmp/load && /tmp/load/bin/pip install pyarrow==26.0.1 numpy==2.4.6 faiss-cpu==1.15.1
/tmp/load/bin/python benches/load.py --nearline target/release/nearline --rows 1000000

Publishes ROWS clustered vectors to a static server with ranges, on this machine, with and without indexes. Then each
engine loads them, in a process of its own and in turn: `nearline catalog inspect`, that of an earlier build
(--against), and pyarrow with NumPy (unit vectors) and FAISS (IndexFlatIP, one query). The figures are medians of what
the kernel counted, and the least of the seconds. Two more ways show what the machine allows: downloading the artifact
and keeping nothing, and writing once to as much memory as stays. Each way runs twice in a row and the second run
counts: a virtual machine has to get memory that nobody used lately from its host. Exit code 0: done; 1: something
failed; 2: wrong usage.
"""

import argparse
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from updates import artifact

FAISS = """
import sys, urllib.request
import faiss, numpy, pyarrow
from pyarrow import ipc

place = sys.argv[1]
if place.startswith("http"):
    source = pyarrow.py_buffer(urllib.request.urlopen(place).read())
else:
    source = pyarrow.memory_map(place)
table = ipc.open_file(source).read_all()
names = table["product_id"].to_pylist()
index, query = None, None
for batch in table.to_batches():
    vectors = batch["embedding"].flatten().to_numpy().reshape(batch.num_rows, -1)
    vectors = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    if index is None:
        index, query = faiss.IndexFlatIP(vectors.shape[1]), vectors[:1].copy()
    index.add(vectors)
scores, rows = index.search(query, 10)
assert names[rows[0][0]] == names[0]
"""


DOWNLOAD = """
import sys, urllib.request
body, piece = urllib.request.urlopen(sys.argv[1]), bytearray(1 << 20)
while body.readinto(piece):
    pass
"""

WRITE = """
import mmap, sys
memory = mmap.mmap(-1, int(sys.argv[1]))
for place in range(0, len(memory), 4096):
    memory[place] = 1
"""


class Objects(http.server.BaseHTTPRequestHandler):
    """Files of a folder as S3 serves and takes them: ranges, and uploads in parts."""

    protocol_version = "HTTP/1.1"
    folder = pathlib.Path()

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"content-length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def place(self):
        path, _, query = self.path.partition("?")
        return self.folder / path.strip("/"), dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def do_GET(self):
        file, query = self.place()
        if "uploads" in query:
            return self.answer(200, b"<ListMultipartUploadsResult/>", content_type="text/xml")
        if "list-type" in query:
            prefix = query.get("prefix", "")
            found = sorted(str(entry.relative_to(file)) for entry in file.rglob("*") if entry.is_file())
            keys = "".join(
                f"<Contents><Key>{key}</Key><Size>{(file / key).stat().st_size}</Size></Contents>"
                for key in found
                if key.startswith(prefix)
            )
            return self.answer(200, f"<ListBucketResult>{keys}</ListBucketResult>".encode(), content_type="text/xml")
        if not file.is_file():
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", content_type="text/xml")
        size = file.stat().st_size
        first, last, status = 0, size - 1, 200
        if wanted := self.headers.get("range"):
            first, last = (int(end) for end in wanted.removeprefix("bytes=").split("-"))
            last, status = min(last, size - 1), 206
        self.send_response(status)
        self.send_header("etag", f'"{size:x}-{file.stat().st_mtime_ns:x}"')
        self.send_header("content-length", str(last - first + 1))
        if status == 206:
            self.send_header("content-range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.flush()
            with open(file, "rb") as content:
                self.connection.sendfile(content, first, last - first + 1)

    do_HEAD = do_GET

    def body(self, file):
        file.parent.mkdir(parents=True, exist_ok=True)
        left = int(self.headers["content-length"] or 0)
        with open(file, "wb") as out:
            while left:
                piece = self.rfile.read(min(left, 1 << 20))
                out.write(piece)
                left -= len(piece)

    def do_PUT(self):
        file, query = self.place()
        part = f".part-{int(query['partNumber']):05}" if "partNumber" in query else ""
        self.body(file.with_name(file.name + part))
        headers = {name: self.headers[name] for name in ("x-amz-checksum-sha256",) if name in self.headers}
        self.answer(200, etag='"written"', **headers)

    def do_POST(self):
        file, query = self.place()
        if "uploads" in query:
            name = f"<InitiateMultipartUploadResult><UploadId>{file.name}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, name.encode(), content_type="text/xml")
        self.body(file.with_name(file.name + ".list"))
        file.with_name(file.name + ".list").unlink()
        parts = sorted(file.parent.glob(file.name + ".part-*"))
        with open(file, "wb") as whole:
            for part in parts:
                whole.write(part.read_bytes())
                part.unlink()
        done = "<CompleteMultipartUploadResult><ETag>&quot;written&quot;</ETag></CompleteMultipartUploadResult>"
        self.answer(200, done.encode(), content_type="text/xml")


def parse():
    parser = argparse.ArgumentParser(prog="load.py", description=__doc__.splitlines()[0])
    parser.add_argument("--nearline", type=pathlib.Path, required=True, help="executable of a release build")
    parser.add_argument("--against", type=pathlib.Path, help="that of an earlier build")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


# In a small process of its own: a child's peak starts from what its parent has.
RUN = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
seconds = time.monotonic() - began
figures = {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}
print(json.dumps(figures))
sys.exit(status != 0)
"""


def run(command, env):
    """Seconds, processor seconds and peak in MiB of a process."""
    command = [sys.executable, "-S", "-c", RUN, *map(str, command)]
    return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        file = folder / "catalog.arrow"
        artifact(file, options.rows, options.dimension, 1)
        Objects.folder = folder / "objects"
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Objects)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        env = {**os.environ, "AWS_ENDPOINT_URL": address, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none"}
        env |= {"AWS_SECRET_ACCESS_KEY": "none", "RUST_LOG": "error"}
        for place, more in (("indexed", []), ("plain", ["--no-index"])):
            published = [options.nearline, "catalog", "publish", file, "--to", f"s3://bucket/{place}", *more]
            subprocess.run([str(part) for part in published], env=env, check=True, stdout=subprocess.DEVNULL)
        [key] = (Objects.folder / "bucket/plain/catalogs").iterdir()
        inspect = ["catalog", "inspect", "--json"]
        ways = {
            "disk": [options.nearline, *inspect, file],
            "S3": [options.nearline, *inspect, "s3://bucket/plain"],
            "S3, stored index": [options.nearline, *inspect, "s3://bucket/indexed"],
            "FAISS, disk": [sys.executable, "-c", FAISS, file],
            "FAISS, S3": [sys.executable, "-c", FAISS, f"{address}/{key.relative_to(Objects.folder)}"],
        }
        if options.against:
            ways["earlier, disk"] = [options.against, *inspect, file]
            ways["earlier, S3"] = [options.against, *inspect, "s3://bucket/plain"]
        described = subprocess.run(list(map(str, ways["disk"])), env=env, check=True, capture_output=True).stdout
        stays = json.loads(described)["memory_bytes"]
        ways["download alone"] = [sys.executable, "-S", "-c", DOWNLOAD, ways["FAISS, S3"][-1]]
        ways["memory alone"] = [sys.executable, "-S", "-c", WRITE, stays]
        runs = {way: [] for way in ways}
        for number in range(options.rounds):
            for way, command in ways.items():
                run(command, env)
                runs[way].append(run(command, env))
                print(f"round {number + 1}: {way}: {runs[way][-1]['seconds']:.2f} s", file=sys.stderr)
        figures = {
            way: {
                "least_seconds": round(min(run["seconds"] for run in found), 3),
                **{name: round(statistics.median(run[name] for run in found), 3) for name in found[0]},
            }
            for way, found in runs.items()
        }
        server.shutdown()
    if options.json:
        print(json.dumps({"rows": options.rows, "stays_bytes": stays, "ways": figures}, indent=1))
        return
    print(f"{options.rows:,} x {options.dimension}; {stays / 2**20:,.0f} MiB stay")
    print(f"{'':20} {'seconds':>8} {'least':>8} {'CPU s':>8} {'peak MiB':>9}")
    for way, found in figures.items():
        times = "".join(f" {found[name]:8.2f}" for name in ("seconds", "least_seconds", "cpu_seconds"))
        print(f"{way:20}{times} {found['peak_mib']:9,.0f}")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"load.py: {error}")
