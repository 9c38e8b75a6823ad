#!/usr/bin/env bash
# pyarrow cuts a table into record batches when it writes Arrow IPC (write_table with max_chunksize). Of a batch in which
# no list has an item, it writes the offsets of the strings of all lists from there to the end of the column, although the
# batch declares no string. Lists that are sparse, such as tags, so make files that grow with the number of batches times
# the number of strings: the same 20,000 rows take 0.4 MB in one batch and 32 MB in 400. What is read is right, so only the
# size tells, or a reader that bounds what a buffer may hold by what the batch declares and refuses the file. Lists of
# integers are not touched. The cure is to make each batch anew (take, or to_pylist), or larger batches.
#
# versions: pyarrow 26.0.1
# seen:     one row without a list: equal to a new batch True, 800232 bytes, the new batch 232
#           20000 rows, half of them in batches without tags: 403122 bytes in one batch, 32507538 in 400, 501170 made anew
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps pyarrow==26.0.1
cat >finding.py <<'PYTHON'
import pyarrow as pa
import pyarrow.ipc as ipc

TAGS = pa.list_(pa.string())


def written(write):
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, pa.schema({"tags": TAGS})) as file:
        write(file)
    return sink.getvalue().size


many = pa.table({"tags": pa.array([["sale", "new"]] * 100_000 + [None], TAGS)})
last = many.slice(100_000).to_batches()[0]
new = pa.record_batch({"tags": pa.array([None], TAGS)})
print(
    f"one row without a list: equal to a new batch {last.equals(new)}, {ipc.get_record_batch_size(last)} bytes, "
    f"the new batch {ipc.get_record_batch_size(new)}"
)
tags = pa.array([["sale"] * 4 if row % 100 < 50 else None for row in range(20_000)], TAGS)
table = pa.table({"tags": tags})
anew = [pa.record_batch({"tags": pa.array(tags.slice(row, 50).to_pylist(), TAGS)}) for row in range(0, 20_000, 50)]
one, cut = (written(lambda file, rows=rows: file.write_table(table, max_chunksize=rows)) for rows in (20_000, 50))
made = written(lambda file: [file.write_batch(batch) for batch in anew])
print(f"20000 rows, half of them in batches without tags: {one} bytes in one batch, {cut} in 400, {made} made anew")
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
one row without a list: equal to a new batch True, 800232 bytes, the new batch 232
20000 rows, half of them in batches without tags: 403122 bytes in one batch, 32507538 in 400, 501170 made anew
SEEN
echo "as before"
