// Answers each line on standard input, {"path", "kinds"}, with "passed" or "failed": whether the file compiles as one of
// the kinds, "commonjs" or "module", by the calls that node's own --check makes. Nothing is run.
// Needs --experimental-vm-modules; without it, modules fail.
'use strict';

const fs = require('node:fs');
const vm = require('node:vm');

const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname'];

const COMPILE = {
  commonjs: (source) => vm.compileFunction(source, WRAPPER),
  module: (source) => new vm.SourceTextModule(source),
};

function passes(kind, source) {
  try {
    COMPILE[kind](source);
    return true;
  } catch {
    return false;
  }
}

function answer(line) {
  try {
    const { path, kinds } = JSON.parse(line);
    const source = fs.readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
    return kinds.some((kind) => passes(kind, source)) ? 'passed' : 'failed';
  } catch {
    return 'failed';
  }
}

// Loads before the first question what would be loaded at first use.
for (const kind of Object.keys(COMPILE)) passes(kind, '');

// Reads and writes without the event loop, since there is nothing to do in between.
const chunk = Buffer.alloc(65536);
let received = Buffer.alloc(0);
for (let size; (size = fs.readSync(0, chunk)) > 0; ) {
  received = Buffer.concat([received, chunk.subarray(0, size)]);
  for (let end; (end = received.indexOf('\n')) >= 0; received = received.subarray(end + 1)) {
    fs.writeSync(1, `${answer(received.toString('utf8', 0, end))}\n`);
  }
}
