// Answers each line on standard input, {"path", "kinds"}, with "passed" or "failed": whether the file can be compiled as
// one of the kinds, "commonjs" or "module", with the calls that node's own --check makes. Nothing is run.
// Runs under --experimental-vm-modules; where there is no such thing, modules fail.
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

// What is loaded at the first use, is loaded before the first question.
for (const kind of Object.keys(COMPILE)) passes(kind, '');

// Read and written without the event loop: there is nothing to do in between.
const chunk = Buffer.alloc(65536);
let heard = Buffer.alloc(0);
for (let size; (size = fs.readSync(0, chunk)) > 0; ) {
  heard = Buffer.concat([heard, chunk.subarray(0, size)]);
  for (let end; (end = heard.indexOf('\n')) >= 0; heard = heard.subarray(end + 1)) {
    fs.writeSync(1, `${answer(heard.toString('utf8', 0, end))}\n`);
  }
}
