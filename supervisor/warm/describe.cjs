// Prints the entries of libraries.json for what is installed: `node supervisor/warm/describe.cjs FOLDER`, the folder that
// has whatsapp-web.js in its node_modules. The library's start is run against a page that is none, and what it would have
// evaluated there is sorted by what a page that is loaded already needs. Read the entries before you add them.
'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const hash = (text) => createHash('sha256').update(text).digest('hex');

/** What to do with a function that the library evaluates at its start, by what it does. */
function roleOf(source) {
  // "Is it there already?": to a new node it is not.
  if (source.includes('!!window[name]') || /typeof window\.WWebJS !== ["']undefined["']/.test(source)) return 'absent';
  // Registers what tells node of the page's state; the page knows it from the first time.
  if (/["']change:hasSynced["']/.test(source) && source.includes('onAppStateHasSyncedEvent')) return 'sync';
  // Defines the library's helpers, and registers the listeners: once for the life of the page.
  if (/window\.WWebJS = \{\}/.test(source) || /\bMsg\.on\(\s*["']change:ack["']/.test(source)) return 'skip';
  return null;
}

async function rolesOf({ Client, NoAuth }) {
  const evaluated = new Set();
  const exposed = new Map();
  const page = {
    evaluate: async (what) => {
      const source = String(what);
      evaluated.add(source);
      if (typeof what === 'string') return true;
      const role = roleOf(source);
      if (role === 'sync') await exposed.get('onAppStateHasSyncedEvent')();
      if (role === 'absent') return false;
      if (source.includes('Debug.VERSION')) return '2.3000.0';
      return source.includes('UNPAIRED') && !source.includes('change:ref') ? false : {};
    },
    exposeFunction: async (name, fn) => void exposed.set(name, fn),
    on: () => {},
  };
  const client = new Client({ authStrategy: new NoAuth(), webVersionCache: { type: 'none' } });
  client.pupPage = page;
  const ready = new Promise((resolve) => client.once('ready', resolve));
  await client.inject();
  await ready;
  const roles = {};
  const found = { absent: 0, sync: 0, skip: 0 };
  for (const source of evaluated) {
    const role = roleOf(source);
    if (role === null) continue;
    roles[hash(source)] = role;
    found[role] += 1;
  }
  if (found.absent !== 2 || found.sync !== 1 || found.skip !== 2) {
    throw new Error(`expected 2 checks, 1 registration of the state and 2 that run once, found ${JSON.stringify(found)}`);
  }
  return roles;
}

function filesOf(folder) {
  const found = ['index.js'];
  const walk = (relative) => {
    for (const entry of fs.readdirSync(path.join(folder, relative), { withFileTypes: true })) {
      const name = path.posix.join(relative, entry.name);
      if (entry.isDirectory()) walk(name);
      else if (name.endsWith('.js')) found.push(name);
    }
  };
  walk('src');
  return found.sort();
}

/** The folder of the package that a file belongs to. */
function packageOf(file, name) {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const about = path.join(folder, 'package.json');
    if (fs.existsSync(about) && JSON.parse(fs.readFileSync(about, 'utf8')).name === name) return folder;
  }
  throw new Error(`${file} belongs to no package ${name}`);
}

async function main(folder) {
  const require_ = Module.createRequire(path.join(path.resolve(folder), 'index.js'));
  const home = path.dirname(require_.resolve('whatsapp-web.js/package.json'));
  const { version } = require_('whatsapp-web.js/package.json');
  const tree = hash(filesOf(home).map((name) => `${name} ${hash(fs.readFileSync(path.join(home, name)))}\n`).join(''));
  const inner = Module.createRequire(path.join(home, 'index.js'));
  const main = Module.createRequire(inner.resolve('puppeteer')).resolve('puppeteer-core');
  const core = packageOf(main, 'puppeteer-core');
  const browsers = packageOf(Module.createRequire(main).resolve('@puppeteer/browsers'), '@puppeteer/browsers');
  const files = [
    ...['Binding.js', 'utils.js', 'Page.js'].map((name) => path.join(core, 'lib/cjs/puppeteer/cdp', name)),
    path.join(browsers, 'lib/cjs/launch.js'),
  ];
  const digest = hash(files.map((one) => `${path.basename(one)} ${hash(fs.readFileSync(one))}\n`).join(''));
  const { version: of } = JSON.parse(fs.readFileSync(path.join(core, 'package.json'), 'utf8'));
  const roles = await rolesOf(require_('whatsapp-web.js'));
  const entry = { 'whatsapp-web.js': { [tree]: { versions: [version], roles } }, puppeteer: { [digest]: { versions: [of] } } };
  process.stdout.write(`${JSON.stringify(entry, null, 2)}\n`);
}

main(process.argv[2] ?? '.').then(
  () => process.exit(),
  (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  },
);
