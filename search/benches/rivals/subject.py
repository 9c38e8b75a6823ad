"""A build of nearline-search as an engine: a process that holds the catalog and searches when it is told to.

Earlier builds (`--against`) are told the same, so commands and answers keep their form.
"""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = "cargo build --release --locked --package nearline-search --bench subject".split()


@functools.cache
def build():
    """The path of today's executable, wherever cargo puts it: built once, so that a suite measures one."""
    command = [*BUILD, "--message-format=json-render-diagnostics"]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        sys.exit("compare: there is no cargo; install Rust")
    if done.returncode != 0:
        sys.exit(f"compare: `{' '.join(BUILD)}` failed")
    messages = map(json.loads, done.stdout.splitlines())
    [path] = [message["executable"] for message in messages if message.get("executable")]
    return pathlib.Path(path)


class Subject:
    """Leaves nothing behind: the process and its folder end with the `with` block."""

    def __init__(self, executable, dataset, threads, kernel):
        self._executable = executable
        # Beside today's build: a folder for temporary files may lie in memory.
        self._folder = tempfile.TemporaryDirectory(prefix="compare-", dir=build().parent)
        folder = pathlib.Path(self._folder.name)
        rows, categories = folder / "rows.f32", folder / "categories.u32"
        self._queries, self._rankings = folder / "queries.f32", folder / "rankings.u32"
        one_category = np.zeros(len(dataset.catalog), np.uint32)
        dataset.catalog.astype("<f4", copy=False).tofile(rows)
        dataset.queries.astype("<f4", copy=False).tofile(self._queries)
        (one_category if dataset.categories is None else dataset.categories).astype("<u4").tofile(categories)
        command = [executable, "--rows", rows, "--dimension", dataset.catalog.shape[1], "--categories", categories]
        command += ["--threads", threads] + (["--kernel", kernel] if kernel else [])
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        except OSError as error:
            sys.exit(f"compare: cannot run {executable}: {error.strerror}")
        self.ready = self._answer()
        rows.unlink()

    def write_filters(self, name, bitmaps):
        """The path of a file of bitmaps that `search` takes."""
        path = pathlib.Path(self._folder.name) / name
        bitmaps.tofile(path)
        return path

    def search(self, batch, top_k, group_by, engine, threads, seconds, filters=None):
        """What the process answers, with the rankings as queries x groups x places x (row, bits of the score)."""
        # Earlier builds know no filters, and refuse what they do not know.
        filtered = {} if filters is None else {"filters": str(filters)}
        answer = self.ask(
            op="search", queries=str(self._queries), batch=batch, top_k=top_k, group_by=group_by, engine=engine,
            threads=threads, seconds=seconds, rankings=str(self._rankings), **filtered,
        )
        rankings = np.fromfile(self._rankings, "<u4")
        return answer | {"rankings": rankings.reshape(answer["answered"], -1, top_k, 2)}

    def ask(self, **command):
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            fault = self._process.stderr.read().strip()
            sys.exit(f"compare: {self._executable}: {fault or f'ended with {self._process.wait()}'}")
        try:
            return json.loads(line)
        except ValueError:
            sys.exit(f"compare: {self._executable} is no build of search/benches/subject.rs; it says {line[:80]!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()
