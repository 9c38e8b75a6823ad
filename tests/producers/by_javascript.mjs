// What apache-arrow, flechette, hyparquet-writer, parquet-wasm and JSON.stringify write by default.
//
// node by_javascript.mjs describe             prints the rows of the table
// node by_javascript.mjs write DATA.json OUT  writes each into OUT/<name>/<file>

import fs from 'node:fs';
import path from 'node:path';
import * as arrow from 'apache-arrow';
import * as flechette from '@uwdata/flechette';
import { parquetWriteFile } from 'hyparquet-writer';
import * as wasm from 'parquet-wasm';

const [mode, source, out] = process.argv.slice(2);
const products = mode === 'write' ? JSON.parse(fs.readFileSync(source, 'utf8')) : [];
const rows = products.map(row => ({ ...row, embedding: Float32Array.from(row.embedding) }));
const lists = products.map(row => ({ ...row, embedding: [...Float32Array.from(row.embedding)] }));
const column = (from, name) => from.map(row => row[name]);
const columns = from => Object.fromEntries(Object.keys(from[0] ?? {}).map(name => [name, column(from, name)]));
const columnData = from => Object.entries(columns(from)).map(([name, data]) => ({ name, data }));
const version = name => JSON.parse(fs.readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;

// Vectors with a declared type: what the documentation of each leads to.
const arrowVectors = () => arrow.vectorFromArray(column(rows, 'embedding'),
  new arrow.FixedSizeList(rows[0].embedding.length, new arrow.Field('item', new arrow.Float32())));
const arrowTable = () => new arrow.Table({
  product_id: arrow.vectorFromArray(column(rows, 'product_id'), new arrow.Utf8()),
  category: arrow.vectorFromArray(column(rows, 'category')),
  title: arrow.vectorFromArray(column(rows, 'title'), new arrow.Utf8()),
  embedding: arrowVectors(),
});
const { float32, fixedSizeList, utf8 } = flechette;
const flechetteTypes = { types: { product_id: utf8(), title: utf8(), embedding: fixedSizeList(float32(), 16) } };

// [name, file, how it is to be taken, the call]. The body of the call is what the table shows.
const writers = [
  ['apache-arrow', 'stream-typed', 'a.arrows', {}, file =>
    fs.writeFileSync(file, arrow.tableToIPC(arrowTable()))],
  ['apache-arrow', 'file-typed', 'a.arrow', {}, file =>
    fs.writeFileSync(file, arrow.tableToIPC(arrowTable(), 'file'))],
  ['apache-arrow', 'arrays', 'a.arrows', {}, file =>
    fs.writeFileSync(file, arrow.tableToIPC(arrow.tableFromArrays(columns(lists))))],
  ['apache-arrow', 'json-rows', 'a.arrow', {}, file =>
    fs.writeFileSync(file, arrow.tableToIPC(arrow.tableFromJSON(lists), 'file'))],
  ['apache-arrow', 'json-rows-float32array', 'a.arrow', { refused: 'embedding.*struct' }, file =>
    fs.writeFileSync(file, arrow.tableToIPC(arrow.tableFromJSON(rows), 'file'))],
  ['flechette', 'stream', 'a.arrows', {}, file =>
    fs.writeFileSync(file, flechette.tableToIPC(flechette.tableFromArrays(columns(rows))))],
  ['flechette', 'file', 'a.arrow', {}, file =>
    fs.writeFileSync(file, flechette.tableToIPC(flechette.tableFromArrays(columns(rows)), { format: 'file' }))],
  ['flechette', 'stream-typed', 'a.arrows', {}, file =>
    fs.writeFileSync(file, flechette.tableToIPC(flechette.tableFromArrays(columns(rows), flechetteTypes)))],
  ['hyparquet-writer', 'arrays', 'a.parquet', { positiveZero: true }, file =>
    parquetWriteFile({ filename: file, columnData: columnData(lists) })],
  ['hyparquet-writer', 'float32arrays', 'a.parquet', { refused: 'embedding' }, file =>
    parquetWriteFile({ filename: file, columnData: columnData(rows) })],
  ['parquet-wasm', 'typed', 'a.parquet', {}, file =>
    fs.writeFileSync(file, wasm.writeParquet(wasm.Table.fromIPCStream(arrow.tableToIPC(arrowTable()))))],
  ['JSON.stringify', 'lines', 'a.jsonl', { positiveZero: true }, file =>
    fs.writeFileSync(file, lists.map(row => JSON.stringify(row) + '\n').join(''))],
  ['JSON.stringify', 'array', 'a.json', { positiveZero: true }, file =>
    fs.writeFileSync(file, JSON.stringify(lists, null, 2))],
  ['JSON.stringify', 'float32arrays', 'a.jsonl', { refused: 'embedding' }, file =>
    fs.writeFileSync(file, rows.map(row => JSON.stringify(row) + '\n').join(''))],
];
const versions = {
  'apache-arrow': () => `apache-arrow JS ${version('apache-arrow')}`,
  flechette: () => `flechette ${version('@uwdata/flechette')}`,
  'hyparquet-writer': () => `hyparquet-writer ${version('hyparquet-writer')}`,
  'parquet-wasm': () => `parquet-wasm ${version('parquet-wasm')}`,
  'JSON.stringify': () => `Node ${process.versions.node.split('.')[0]}`,
};

if (mode === 'describe') {
  const call = writer => String(writer).replace(/^file =>\s*/, '').replace(/^fs\.writeFileSync\(file, (.*)\)$/s, '$1');
  console.log(JSON.stringify(writers.map(([producer, name, file, how, writer]) =>
    ({ name: `${producer}/${name}`, producer: versions[producer](), file, ...how, call: call(writer) }))));
} else {
  for (const [producer, name, file, , writer] of writers) {
    const folder = path.join(out, `${producer}-${name}`);
    if (fs.existsSync(folder)) await writer(path.join(folder, file));
  }
}
