// Times one ONNX model in onnxruntime, in this process, and prints one line of JSON.
//
//   node onnxruntime.mjs MODEL.onnx [RUNS [THREADS [FOLDER]]]
//
// FOLDER is where `npm install onnxruntime-node` was done (build/bench/node). The model's batch is the one in the file.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const [model, runsText = '10', threadsText = '2', folder = 'build/bench/node'] = process.argv.slice(2);
if (!model) {
  console.error('usage: node onnxruntime.mjs MODEL.onnx [RUNS [THREADS [FOLDER]]]');
  process.exit(2);
}
const runs = Number(runsText);
const require = createRequire(path.resolve(folder, 'package.json'));
const ort = require('onnxruntime-node');
const manifest = path.join(path.dirname(require.resolve('onnxruntime-node')), '..', 'package.json');

const session = await ort.InferenceSession.create(model, {
  executionProviders: ['cpu'],
  graphOptimizationLevel: 'all',
  executionMode: 'sequential',
  intraOpNumThreads: Number(threadsText),
  interOpNumThreads: 1,
});

const { name, shape } = session.inputMetadata[0];
let state = 1;
const noise = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;  // Numerical Recipes' generator
  return (state / 2 ** 32 - 0.5) * Math.sqrt(12);           // mean 0, deviation 1
});
const feeds = { [name]: new ort.Tensor('float32', noise, shape) };

const start = performance.now();
for (let warm = 0; warm < 5 || performance.now() - start < 500; ++warm) await session.run(feeds);

const times = [];
for (let i = 0; i < runs; ++i) {
  const begin = performance.now();
  await session.run(feeds);
  times.push(performance.now() - begin);
}

const sorted = [...times].sort((a, b) => a - b);
console.log(JSON.stringify({
  engine: 'onnxruntime',
  version: JSON.parse(readFileSync(manifest)).version,
  median_ms: (sorted[(runs - 1) >> 1] + sorted[runs >> 1]) / 2,
  min_ms: sorted[0],
  times_ms: times,
  peak_mib: process.resourceUsage().maxRSS / 1024,
}));
