"""Steady traffic through a proxy that makes calls go wrong, for as long as asked: memory and latency over time.

Starts the stand-ins, a proxy, `nearline worker` behind it and loadgen, which goes past it, from a folder of built
executables. Draws the worker's resident memory and loadgen's latencies as one SVG, prints what loadgen, the proxy and
the samples say as JSON, and exits with loadgen's own code. Standard library only.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What scripts of several folders share lies beside the folders.
sys.path.append(str(Path(__file__).resolve().parent.parent))
from processes import stop

SAMPLE_SECONDS = 5
WIDTH, HEIGHT, LEFT, TOP, GAP = 900, 170, 64, 34, 56


def settings(file):
    """The `NAME=value` lines of a settings file."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def wait_for(file, process):
    """Waits for what a command writes once it is ready."""
    while not file.exists():
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
        time.sleep(0.1)


def resident_mib(pid):
    """Resident memory of a process, None once it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def panel(top, title, unit, lines, minutes):
    """A chart: `lines` are (label, colour, [(minute, value)])."""
    highest = max((value for _, _, points in lines for _, value in points), default=1) * 1.1 or 1
    x = lambda minute: LEFT + (WIDTH - LEFT - 20) * minute / minutes
    y = lambda value: top + HEIGHT - HEIGHT * value / highest
    parts = [f'<text x="{LEFT}" y="{top - 10}" class="title">{title}</text>']
    for step in range(5):
        value = highest * step / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g} {unit}</text>')
    for step in range(7):
        minute = minutes * step / 6
        parts.append(f'<text x="{x(minute):.1f}" y="{top + HEIGHT + 18}" text-anchor="middle">{minute:.3g} min</text>')
    for number, (label, colour, points) in enumerate(lines):
        path = " ".join(f"{x(minute):.1f},{y(value):.1f}" for minute, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{WIDTH - 24 - 60 * number}" y="{top - 10}" text-anchor="end" fill="{colour}">{label}</text>')
    return "\n".join(parts)


def draw(file, samples, points, interval, minutes):
    """Writes the picture."""
    def latency(name):
        ends = [(point["second"] + interval, point.get("end_to_end_ms")) for point in points]
        return [(second / 60, ms[name] / 1000) for second, ms in ends if ms and ms.get("count")]

    memory = panel(TOP, "Resident memory of the worker", "MiB", [("", "#2563eb", samples)], minutes)
    lines = [(name, colour, latency(name)) for name, colour in [("p50", "#16a34a"), ("p99", "#dc2626")]]
    latencies = panel(TOP + HEIGHT + GAP, "From the intended instant to the record", "s", lines, minutes)
    height = TOP + 2 * HEIGHT + GAP + 34
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        "<style>.title{font-size:14px;font-weight:bold}.grid{stroke:#ddd}</style>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n{memory}\n{latencies}\n</svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, required=True, help="folder of devstack, nearline and loadgen")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rps", type=float, default=20)
    parser.add_argument("--rate", type=float, default=0.03, help="share of the worker's calls that go wrong")
    parser.add_argument("--picture", type=Path, required=True)
    options = parser.parse_args()
    catalog = Path(__file__).parents[2] / "examples" / "catalog.csv"
    with tempfile.TemporaryDirectory() as folder:
        folder, running = Path(folder), []

        def start(*command, env=None, log=None):
            log = open(folder / log, "w") if log else None
            process = subprocess.Popen([options.bin / command[0], *command[1:]], env={**os.environ, **(env or {})}, stderr=log)
            running.append(process)
            return process

        try:
            up = start("devstack", "up", "--env-file", folder / "env", log="devstack.log")
            wait_for(folder / "env", up)
            direct = settings(folder / "env")
            proxy = start("devstack", "proxy", "--rate", str(options.rate), "--env-file", folder / "proxy.env",
                          "--report", folder / "proxy.json", env=direct, log="proxy.log")
            wait_for(folder / "proxy.env", proxy)
            proxied = {**direct, **settings(folder / "proxy.env")}
            artifact = folder / "catalog.arrow"
            for command in (["build", "--input", catalog, "--output", artifact],
                            ["publish", artifact, "--to", direct["NEARLINE_CATALOG"]]):
                subprocess.run([options.bin / "nearline", "catalog", *command], env={**os.environ, **direct}, check=True)
            worker = start("nearline", "worker", env=proxied, log="worker.log")
            load = start("loadgen", "--rps", str(options.rps), "--duration", f"{round(options.minutes * 60)}s",
                         "--output", folder / "report.json", env=direct)
            began, samples = time.monotonic(), []
            while load.poll() is None:
                mib = resident_mib(worker.pid)
                if mib is None:
                    sys.exit("the worker has ended: " + (folder / "worker.log").read_text()[-2000:])
                samples.append(((time.monotonic() - began) / 60, mib))
                time.sleep(SAMPLE_SECONDS)
            proxy.send_signal(signal.SIGTERM)
            proxy.wait(20)
            report = json.loads((folder / "report.json").read_text())
            faults = json.loads((folder / "proxy.json").read_text())
            series = report["series"]
            draw(options.picture, samples, series["points"], series["interval_seconds"], samples[-1][0])
            later = [mib for minute, mib in samples if minute > samples[-1][0] / 6]
            print(json.dumps({
                "totals": report["totals"], "latency_ms": report["latency_ms"], "proxy": faults,
                "memory_mib": {"after_a_sixth": later[0], "highest": max(later), "last": later[-1]},
            }, indent=1))
            return load.returncode
        finally:
            for process in reversed(running):
                stop(process)


if __name__ == "__main__":
    sys.exit(main())
