"""Asks every engine the questions of docs/rankings.md and compares what comes out with that page.

Each engine has a process of its own. Exit code 0: each cell is as the page has it. 1: some differ, or an engine could not
be asked. 2: wrong usage.
"""

import argparse
import importlib
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "rankings.md"
ENGINES = ["faiss", "usearch", "hnswlib", "qdrant", "lancedb", "duckdb", "duckdb_vss", "sqlite_vec", "pgvector", "nearline"]
TIMEOUT_SECONDS = 600


def parse():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--nearline", type=pathlib.Path, default="target/debug/nearline", metavar="PATH", help="(target/debug/nearline)")
    add("--only", action="append", choices=ENGINES, metavar="ENGINE", help=f"one of {', '.join(ENGINES)}; repeatable")
    add("--write", action="store_true", help="write the tables into docs/rankings.md instead of comparing")
    add("--measure", choices=ENGINES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = parse()
    if options.measure:
        print(json.dumps(measured(options.measure)))
        return 0
    if options.write and options.only:
        print("run.py: --write needs all engines", file=sys.stderr)
        return 2
    if not options.nearline.exists():
        print(f"run.py: {options.nearline} does not exist: build it, or name another by --nearline", file=sys.stderr)
        return 2
    environment = os.environ | {"RANKINGS_NEARLINE": str(options.nearline.resolve())}
    tables, silent = {}, []
    for engine in options.only or ENGINES:
        print(f"asking {engine}", file=sys.stderr)
        command = [sys.executable, __file__, "--measure", engine]
        try:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS)
            rows = json.loads(done.stdout) if done.returncode == 0 else None
        except subprocess.TimeoutExpired:
            rows = None
        if rows is None:
            silent.append(engine)
            print(f"run.py: {engine} could not be asked", file=sys.stderr)
            continue
        for question, lines in rows.items():
            tables.setdefault(question, []).extend(lines)
    if options.write and not silent:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    differ = compare(tables, whole=not options.only and not silent)
    print(f"{max(0, sum(map(len, tables.values())) - differ)} passed, {differ + len(silent)} failed")
    return 1 if differ or silent else 0


def measured(engine):
    """The lines of each table that are about this engine."""
    from questions import QUESTIONS

    ways = importlib.import_module(f"by_{engine}").WAYS
    lines = {"versions": [[way.name, way.version, way.call] for way in ways]}
    for name, (ask, _) in QUESTIONS.items():
        lines[name] = [[way.name, *ask(way)] for way in ways if way.only in ("", name)]
    return lines


def compare(tables, whole):
    """Prints the tables, says which lines the page does not have, and, of a whole run, which it has besides."""
    on_page = {name: table(text) for name, text in sections(PAGE.read_text(encoding="utf-8"))}
    differ = 0
    for name, lines in tables.items():
        print(f"\n{name}")
        for cells in lines:
            print(line(cells))
            if line(cells) not in on_page.get(name, []):
                differ += 1
                same = [old for old in on_page.get(name, []) if old.startswith(f"| {cells[0]} |")]
                print(f"  NOT ON THE PAGE, which has: {same[0] if same else 'no such line'}")
    if whole:
        came = {(name, cells[0]) for name, lines in tables.items() for cells in lines}
        besides = [old for name, lines in on_page.items() for old in lines if (name, old.split(" | ")[0][2:]) not in came]
        differ += len(besides)
        print(*(f"\nONLY ON THE PAGE: {old}" for old in besides), sep="")
    return differ


def with_tables(page, tables):
    from questions import QUESTIONS

    heads = {"versions": ["package", "call"]} | {name: columns for name, (_, columns) in QUESTIONS.items()}
    for name, old in sections(page):
        columns = ["engine", *heads[name]]
        new = "\n".join([line(columns), "|" + "---|" * len(columns), *map(line, tables[name])])
        page = page.replace(f"<!-- {name} -->\n{old}<!-- end -->", f"<!-- {name} -->\n{new}\n<!-- end -->")
    return page


def sections(page):
    """The names of the page's tables, and what stands between their marks."""
    for part in page.split("<!-- end -->")[:-1]:
        name, text = part.rsplit("<!-- ", 1)[1].split(" -->\n", 1)
        yield name, text


def table(text):
    return text.splitlines()[2:]


def line(cells):
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
