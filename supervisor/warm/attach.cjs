// Loaded before a bot's program (see channel.py): reports the browsers that whatsapp-web.js opens, and has a new bot take
// over those that were kept for it instead of opening them anew. Whatever is not known to be as it should be is reported
// as a reason for a cold restart. Nothing here may fail into the bot.
'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const net = require('node:net');
const path = require('node:path');
const { inspect, types: { isPromise } } = require('node:util');

function isInode(descriptor, inode) {
  try {
    return fs.fstatSync(Number(descriptor), { bigint: true }).ino === BigInt(inode);
  } catch {
    return false;
  }
}

function start(channelDescriptor, boardDescriptor, { cache, ahead }) {
  const GATE = `(${fs.readFileSync(path.join(__dirname, 'page_gate.js'), 'utf8').trim().replace(/;$/, '')})`;
  const KNOWN = JSON.parse(fs.readFileSync(path.join(__dirname, 'libraries.json'), 'utf8'));
  const board = new Board(boardDescriptor);
  const sessions = new Set(); // one for each browser that a known Client has opened or taken over
  const waiting = new Set(); // clients that are about to launch
  const guarded = new Set(); // pids of browsers that are not to be killed
  let alive = true; // the supervisor
  let exiting = false;
  let library = null; // what is known of the whatsapp-web.js that was loaded, or why nothing is
  let binding; // the slots for the function that is being exposed

  if (cache && !process.env.NODE_COMPILE_CACHE) Module.enableCompileCache?.(cache);

  function say(report) {
    try {
      fs.writeSync(channelDescriptor, `${JSON.stringify(report)}\n`);
    } catch {
      alive = false;
    }
  }

  const WITHOUT = "the bot's browser was opened without whatsapp-web.js";
  const hash = (text) => createHash('sha256').update(text).digest('hex');
  const short = (text) => createHash('sha1').update(text).digest('hex').slice(0, 8);
  const forEver = () => new Promise(() => {});
  /** Whether browsers must outlive this program: it is being replaced, or ends while scanonce can look after them. */
  const leaving = () => alive && (board.flag() === 1 || exiting);

  // -- the supervisor's end ----------------------------------------------------------------------------------------

  const channel = new net.Socket({ fd: channelDescriptor, readable: true, writable: false });
  channel.on('error', () => {});
  channel.on('close', () => {
    alive = false;
    // It died with a gate closed: the bot must not be deaf because of that.
    for (const session of sessions) session.open?.(true);
  });
  channel.resume();
  channel.unref();
  process.prependListener('exit', () => {
    exiting = true;
  });

  // -- browsers that are left alone ----------------------------------------------------------------------------------

  const kill = process.kill;
  process.kill = function (pid, signal) {
    // puppeteer kills its browser's whole group at the exit of node, and on signals.
    if (signal !== 0 && guarded.has(Math.abs(pid)) && leaving()) return true;
    return kill.call(this, pid, signal);
  };

  function guard(browser, session) {
    const child = browser.process();
    if (child?.pid) {
      guarded.add(child.pid);
      const killChild = child.kill;
      child.kill = function (...args) {
        return leaving() ? true : killChild.apply(this, args);
      };
    }
    const close = browser.close;
    browser.close = async function (...args) {
      if (leaving()) return browser.disconnect();
      if (sessions.delete(session)) say({ t: 'destroyed', profile: session.profile });
      if (child?.pid) guarded.delete(child.pid);
      return close.apply(this, args);
    };
  }

  /** puppeteer's handler waits for the exit of a browser that stays: if nobody else listens, this program ends. */
  function endOnSignal(before) {
    for (const [signal, number] of [['SIGTERM', 15], ['SIGHUP', 1]]) {
      const theirs = process.listeners(signal).filter((one) => !before[signal].includes(one));
      if (!theirs.length) continue;
      const ours = () => {
        const others = process.listeners(signal).filter((one) => one !== ours && !theirs.includes(one));
        if (!others.length && board.flag() === 1) process.exit(128 + number);
      };
      process.on(signal, ours);
    }
  }

  // -- the libraries ---------------------------------------------------------------------------------------------------

  const load = Module._load;
  const seen = new WeakSet();
  Module._load = function (request, parent, ...rest) {
    if (loadedAhead.length && typeof request === 'string' && /whatsapp-web\.js|puppeteer/.test(request)) judgeAhead();
    const exports = load.call(this, request, parent, ...rest);
    try {
      if (typeof request === 'string' && exports && typeof exports === 'object') {
        if (/(^|[\\/])puppeteer(-core)?([\\/]|$)/.test(request) && typeof exports.launch === 'function') {
          meetPuppeteer(exports, Module._resolveFilename(request, parent));
        } else if (/(^|[\\/])whatsapp-web\.js([\\/]|$)/.test(request) && typeof exports.Client === 'function' && exports.LocalAuth) {
          const file = Module._resolveFilename(request, parent);
          meetLibrary(exports, file);
          // An ES module need not ask for it here the next time.
          if (parent && !path.isAbsolute(request)) library.ahead = file;
        }
      }
    } catch {
      // A library that is not as we think is not known.
    }
    return exports;
  };

  // -- a library that is loaded while this program waits for its start -----------------------------------------------

  const loadedAhead = []; // files
  const variables = new Map(); // what the library has read of the environment
  const cwd = process.cwd();

  /** Load a library that is known to do nothing at load but to read the environment, and puppeteer's configuration. */
  function loadAhead(file) {
    if (!KNOWN['whatsapp-web.js'][treeOf(packageOf(file, 'whatsapp-web.js').folder).digest]) return;
    const { env } = process;
    const note = (name) => typeof name === 'string' && variables.set(name, env[name]);
    const before = new Set(Object.keys(require.cache));
    process.env = new Proxy(env, {
      get: (_, name) => (note(name), env[name]),
      has: (_, name) => (note(name), name in env),
    });
    try {
      load.call(Module, file, null, false);
      meetLibrary(require.cache[file].exports, file);
    } catch {
      forgetAhead();
    } finally {
      process.env = env;
      loadedAhead.push(...Object.keys(require.cache).filter((one) => !before.has(one)));
    }
  }

  /** The program asks for the library: what was loaded ahead is used if it would be loaded alike now. */
  function judgeAhead() {
    const same = process.cwd() === cwd && [...variables].every(([name, value]) => process.env[name] === value);
    if (!same) forgetAhead();
    loadedAhead.length = 0;
  }

  function forgetAhead() {
    for (const file of loadedAhead) delete require.cache[file];
    library = null;
  }

  function packageOf(file, name) {
    for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
      try {
        const found = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
        if (found.name === name) return { folder, version: String(found.version), file: path.join(folder, 'package.json') };
      } catch {
        // no package's folder
      }
    }
    throw new Error(`${name} has no package.json`);
  }

  function meetLibrary(exports, file) {
    if (seen.has(exports)) return;
    seen.add(exports);
    const found = packageOf(file, 'whatsapp-web.js');
    const { files, digest } = treeOf(found.folder);
    const entry = KNOWN['whatsapp-web.js'][digest];
    const versions = Object.values(KNOWN['whatsapp-web.js']).flatMap((one) => one.versions);
    let why = null;
    if (!entry) {
      const state = versions.includes(found.version) ? 'has been edited' : 'is not known';
      why = `whatsapp-web.js ${found.version} ${state}`;
    }
    library = { ...found, roles: entry?.roles ?? {}, why, exports, files: [found.file, ...files.map((one) => one.path)] };
    library.text = () => files.map((one) => one.text).join('\n');
    if (why === null) patchClient(exports.Client);
  }

  function treeOf(folder) {
    const files = sources(folder);
    return { files, digest: hash(files.map((one) => `${one.name} ${hash(one.text)}\n`).join('')) };
  }

  function meetPuppeteer(exports, file) {
    if (seen.has(exports)) return;
    seen.add(exports);
    const about = { version: '?', why: null, files: [] };
    try {
      const core = coreOf(file);
      about.version = core.version;
      about.files = core.files;
      if (!KNOWN.puppeteer[core.hash]) {
        const known = Object.values(KNOWN.puppeteer).some((one) => one.versions.includes(core.version));
        about.why = `puppeteer ${core.version} ${known ? 'has been edited' : 'is not known'}`;
      } else {
        journal(load.call(Module, path.join(core.folder, 'lib/cjs/puppeteer/cdp/Binding.js'), null, false));
      }
    } catch {
      about.why = 'this puppeteer is not known';
    }
    const launch = exports.launch;
    const wrapped = (options = {}) => launchOrAttach(exports, about, launch.bind(exports), options);
    exports.launch = wrapped;
    if (exports.default && typeof exports.default.launch === 'function') exports.default.launch = wrapped;
  }

  function coreOf(file) {
    const resolve = Module.createRequire(file).resolve;
    const main = file.includes(`puppeteer-core${path.sep}`) ? file : resolve('puppeteer-core');
    const core = packageOf(main, 'puppeteer-core');
    const launcher = Module.createRequire(main).resolve('@puppeteer/browsers');
    const browsers = packageOf(launcher, '@puppeteer/browsers');
    const files = [
      ...['Binding.js', 'utils.js', 'Page.js'].map((name) => path.join(core.folder, 'lib/cjs/puppeteer/cdp', name)),
      path.join(browsers.folder, 'lib/cjs/launch.js'),
    ];
    const digest = hash(files.map((one) => `${path.basename(one)} ${hash(fs.readFileSync(one))}\n`).join(''));
    return { ...core, files: [core.file, browsers.file, ...files], hash: digest };
  }

  /** Note each call of the page's on the board before its handler is run, and run none twice. */
  function journal(exports) {
    const { Binding } = exports;
    if (seen.has(Binding)) return;
    class Journaled extends Binding {
      #slot;

      constructor(name, fn, ...rest) {
        const slot = binding?.();
        super(name, slot === undefined ? fn : counted(fn, slot), ...rest);
        this.#slot = slot;
      }

      async run(context, seq, ...rest) {
        // Another process has had it, or it was delivered twice, or is left to the next process.
        if (this.#slot?.begin(seq, board) === false) return undefined;
        return super.run(context, seq, ...rest);
      }
    }
    seen.add(Journaled);
    exports.Binding = Journaled;
  }

  /** The handler, which counts as finished when it has returned, whether or not the page has got its answer. */
  const counted =
    (fn, slot) =>
    async (...args) => {
      try {
        return await fn(...args);
      } finally {
        slot.finish();
      }
    };

  // What a promise is like is looked at from outside: to call its `then` would count as handling its rejection, and the
  // bot would not be told of it, or would be told twice.
  const pending = new Set();
  let watching;

  function lookAtPending() {
    for (const one of pending) {
      const shown = inspect(one.promise, { depth: 0, maxArrayLength: 0, maxStringLength: 0, customInspect: false });
      if (shown.includes('<pending>')) continue;
      pending.delete(one);
      one.slot.finish();
    }
    if (!pending.size) watching = clearInterval(watching);
  }

  function patchClient(Client) {
    const { initialize } = Client.prototype;
    Client.prototype.initialize = function (...args) {
      waiting.add(this);
      return initialize.apply(this, args);
    };
    const { emit } = Client.prototype;
    Client.prototype.emit = function (type, ...args) {
      const session = [...sessions].find((one) => one.client === this);
      if (!session || type === 'error') return emit.call(this, type, ...args);
      const listeners = this.rawListeners(type);
      for (const listener of listeners) {
        const result = listener.apply(this, args);
        if (isPromise(result) && typeof type === 'string') session.await(type, result);
      }
      if (type === 'ready') session.ready();
      return listeners.length > 0;
    };
  }

  // -- a launch, or what takes its place -----------------------------------------------------------------------------

  async function launchOrAttach(exports, about, launch, options) {
    const client = [...waiting].find((one) => isFor(one, options));
    waiting.delete(client);
    const why = library === null ? WITHOUT : (about.why ?? library.why ?? notFor(client, options));
    const kept = client && board.kept().find((one) => !one.taken && isKept(one, options));
    if (kept) {
      kept.taken = true;
      return attach(exports, about, kept, client, options, why);
    }
    const before = Object.fromEntries(['SIGTERM', 'SIGHUP'].map((signal) => [signal, process.listeners(signal)]));
    const browser = await launch(options);
    try {
      const profile = real(userDataDir(browser.process()?.spawnargs ?? []) ?? options.userDataDir);
      say({ ...described(about, options, profile, browser.process()?.pid ?? null), why });
      if (why === null) {
        const page = (await browser.pages())[0];
        const session = new Session(client, page, profile, false);
        for (const one of sessions) if (one.client === client) sessions.delete(one); // opened anew after a loss
        sessions.add(session);
        guard(browser, session);
        endOnSignal(before);
        session.follow();
      }
    } catch (error) {
      say({ t: 'cold', profile: null, why: `the browser cannot be followed (${error?.message})` });
    }
    return browser;
  }

  const isFor = (client, options) =>
    Object.entries(client.options?.puppeteer ?? {}).every(([name, value]) => name === 'args' || options[name] === value);

  function notFor(client, options) {
    if (!client) return WITHOUT;
    const { LocalAuth, NoAuth, RemoteAuth } = library.exports;
    const strategy = client.authStrategy;
    if (RemoteAuth && strategy instanceof RemoteAuth) return 'RemoteAuth replaces the profile at each start';
    if (!(strategy instanceof LocalAuth || strategy instanceof NoAuth)) return "the client's authStrategy is not known";
    if (options.pipe) return 'the browser is driven over a pipe';
    return null;
  }

  function described(about, options, profile, pid) {
    return {
      t: 'launch',
      profile,
      temporary: !options.userDataDir,
      pid,
      library: library ? `whatsapp-web.js ${library.version}` : '',
      puppeteer: about.version,
      node: process.versions.node,
      options: fingerprint(options),
      files: [...(library?.files ?? []), ...about.files],
      info: { ahead: library?.ahead ?? null },
    };
  }

  function fingerprint(options) {
    const { signal, ...rest } = options; // an AbortSignal is another one each time
    return hash(JSON.stringify(rest, (_, value) => (typeof value === 'function' ? String(value) : value)));
  }

  const real = (folder) => {
    try {
      return folder ? fs.realpathSync(folder) : null;
    } catch {
      return path.resolve(folder);
    }
  };
  const userDataDir = (words) => words.findLast?.((word) => word.startsWith('--user-data-dir='))?.slice(16);
  const isKept = (kept, options) =>
    options.userDataDir ? !kept.temporary && real(options.userDataDir) === kept.profile : kept.temporary;

  async function attach(exports, about, kept, client, options, why) {
    const surprise = (reason) => {
      say({ t: 'cold', profile: kept.profile, why: reason });
      return forEver(); // the supervisor ends this program
    };
    if (why !== null) return surprise(why);
    if (fingerprint(options) !== kept.options) return surprise('the launch options have changed');
    if (`whatsapp-web.js ${library.version}` !== kept.library) return surprise('whatsapp-web.js is another version');
    say({ t: 'attach', profile: kept.profile });
    try {
      const passed = ['defaultViewport', 'slowMo', 'protocolTimeout', 'acceptInsecureCerts', 'targetFilter', 'downloadBehavior'];
      const connecting = Object.fromEntries(passed.filter((name) => name in options).map((name) => [name, options[name]]));
      const browser = await exports.connect({ ...connecting, browserWSEndpoint: kept.endpoint });
      const page = (await browser.pages()).find((one) => one.target()._targetId === kept.target);
      if (!page || page.url() !== kept.url) return surprise('the page is gone, or elsewhere');
      const session = new Session(client, page, kept.profile, true);
      const state = await session.gate('state', {});
      if (!state.closed || !state.marked) return surprise('the page was loaded anew');
      sessions.add(session);
      browser.process = () => new KeptProcess(kept.pid, process.kill);
      guard(browser, session);
      say(described(about, options, kept.profile, kept.pid));
      session.takeOver(kept, surprise);
      return browser;
    } catch (error) {
      return surprise(`the browser does not answer (${error?.message})`);
    }
  }

  /** One browser of a Client's, and its page. */
  class Session {
    constructor(client, page, profile, taken) {
      this.client = client;
      this.page = page;
      this.profile = profile;
      this.key = short(profile);
      this.taken = taken; // the page was loaded for an earlier node
      this.names = new Set(); // functions that are bound by this node
      this.binding = []; // those that are about to be
      this.opened = !taken;
      this.touched = false;
      this.evaluate = page.evaluate.bind(page);
    }

    gate(action, argument) {
      return this.evaluate(`${GATE}(${JSON.stringify(action)}, ${JSON.stringify(argument)})`);
    }

    slot(separator, name, kind) {
      return board.slot(`${this.key}${separator}${name}`, kind);
    }

    /** Count what a listener has not finished: a promise that it returned. */
    await(type, promise) {
      const slot = this.slot('!', type, 2);
      slot.start();
      pending.add({ promise, slot });
      watching ??= setInterval(lookAtPending, 20).unref();
    }

    /** Watch what the bot does in its page, on a page of its own node. */
    follow() {
      this.#expose(async (expose, name, fn) => expose(name, fn));
      this.#watch();
    }

    #expose(how) {
      const { page } = this;
      const original = page.exposeFunction.bind(page);
      page.exposeFunction = (name, fn) =>
        how(
          (one, two) => {
            binding = () => this.slot(':', one, 1);
            try {
              return original(one, two);
            } finally {
              binding = undefined; // puppeteer has made its object by now
            }
          },
          name,
          fn,
        );
    }

    #watch() {
      const { page } = this;
      for (const name of ['evaluate', 'addScriptTag', 'evaluateOnNewDocument']) {
        const original = page[name].bind(page);
        page[name] = (what, ...args) => {
          if (!this.touched && this.isReady && (name !== 'evaluate' || this.#defines(what))) {
            this.touched = true;
            say({ t: 'evaluated', profile: this.profile });
          }
          return original(what, ...args);
        };
      }
    }

    /** Whether code for the page may define something there, and is none of the library's own. */
    #defines(what) {
      const source = String(what);
      if (!/\b(?:window|globalThis|self)\s*(?:\.|\[)|\bdefineProperty\b|\.on\(|addEventListener/.test(source)) return false;
      return !library.text().includes(source);
    }

    /** The Client has emitted `ready`. */
    async ready() {
      this.isReady = true;
      try {
        if (this.taken) {
          say({ t: 'attached', profile: this.profile, bound: this.names.size });
          await this.open(false);
        } else {
          await this.gate('mark', {});
          say({ t: 'ready', profile: this.profile });
        }
        Module.flushCompileCache?.();
      } catch (error) {
        say({ t: 'cold', profile: this.profile, why: `the page does not answer (${error?.message})` });
      }
    }

    /** Deliver what has waited in the page. `alive`: to the node that was connected all the time. */
    async open(alive) {
      this.opened = true;
      const begun = Object.fromEntries([...this.names].map((name) => [name, this.slot(':', name, 1).begun]));
      const answer = await this.gate('open', { begun, bound: alive ? null : [...this.names], alive }).catch(() => null);
      if (answer === null) throw new Error('the gate does not open');
      say({ t: 'replayed', profile: this.profile, ...answer });
    }

    /** Have the library's start find a page that has everything already. */
    takeOver(kept, surprise) {
      const { page } = this;
      const exposed = new Map();
      const goto = page.goto.bind(page);
      let gone = false;
      page.goto = async (address, ...rest) => {
        if (gone) return goto(address, ...rest);
        gone = true;
        return kept.url.startsWith(String(address)) ? null : surprise(`the bot opens ${address}`);
      };
      page.evaluate = async (what, ...args) => {
        const role = this.isReady ? undefined : library.roles[hash(String(what))];
        if (role === undefined) return this.evaluate(what, ...args);
        if (role === 'absent') return false;
        await Promise.all(this.binding);
        if (role === 'sync') {
          const synced = "window.require('WAWebSocketModel').Socket.hasSynced";
          if (!(await this.evaluate(synced))) return surprise('the page is not synced');
          // The page has told it long ago; node's own function does the rest.
          const handler = exposed.get('onAppStateHasSyncedEvent');
          Promise.resolve()
            .then(handler)
            .catch((error) => surprise(`the library's start failed (${error?.message ?? error})`));
        }
        return undefined;
      };
      this.#expose((expose, name, fn) => {
        exposed.set(name, fn);
        const bound = expose(name, fn).then(async () => {
          this.names.add(name);
          if (this.opened) await this.open(false);
        });
        if (this.opened) return bound;
        bound.catch((error) => surprise(`${name} cannot be bound (${error?.message})`));
        this.binding.push(bound);
        return Promise.resolve(); // all are bound side by side
      });
      this.#watch();
    }
  }

  if (ahead) loadAhead(ahead);
}

/** The library's files that are hashed: all of its JavaScript. */
function sources(folder) {
  const found = [];
  const walk = (relative) => {
    for (const entry of fs.readdirSync(path.join(folder, relative), { withFileTypes: true })) {
      const name = path.posix.join(relative, entry.name);
      if (entry.isDirectory()) walk(name);
      else if (name.endsWith('.js')) found.push({ name, path: path.join(folder, name), text: fs.readFileSync(path.join(folder, name), 'utf8') });
    }
  };
  walk('src');
  found.push({ name: 'index.js', path: path.join(folder, 'index.js'), text: fs.readFileSync(path.join(folder, 'index.js'), 'utf8') });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Stands for the process of a browser that an earlier node has launched. */
class KeptProcess extends require('node:events') {
  constructor(pid, kill) {
    super();
    this.pid = pid;
    this.exitCode = null;
    this.signalCode = null;
    this.kill = (signal = 'SIGTERM') => kill.call(process, pid, signal);
  }
}

/** The memory that is shared with the supervisor; its layout stands in board.py. */
class Board {
  #descriptor;
  #slots = null;
  #kept = null;

  constructor(descriptor) {
    this.#descriptor = descriptor;
  }

  flag() {
    const byte = Buffer.alloc(1);
    fs.readSync(this.#descriptor, byte, 0, 1, 0);
    return byte[0];
  }

  /** What is kept; read at the first launch: the supervisor writes it while a node that was started early waits. */
  kept() {
    if (this.#kept === null) {
      const text = Buffer.alloc(65536 - 4096);
      fs.readSync(this.#descriptor, text, 0, text.length, 4096);
      const end = text.indexOf(0);
      try {
        this.#kept = JSON.parse(text.toString('utf8', 0, end)).kept ?? [];
      } catch {
        this.#kept = [];
      }
    }
    return this.#kept;
  }

  slot(key, kind) {
    if (this.#slots === null) {
      this.#slots = new Map();
      const memory = Buffer.alloc(65536);
      fs.readSync(this.#descriptor, memory, 0, memory.length, 65536);
      for (let at = 0; at < memory.length && memory[at + 112]; at += 128) {
        const end = memory.indexOf(0, at);
        const name = memory.toString('utf8', at, Math.min(end, at + 96));
        this.#slots.set(name, new Slot(this.#descriptor, 65536 + at, memory.readDoubleLE(at + 96)));
      }
    }
    const name = Buffer.byteLength(key) <= 96 ? key : `${key.slice(0, 60)}#${createHash('sha1').update(key).digest('hex').slice(0, 32)}`;
    let slot = this.#slots.get(name);
    if (slot === undefined) {
      const number = this.#slots.size;
      slot = number < 512 ? new Slot(this.#descriptor, 65536 + 128 * number, 0) : new Slot(null, 0, 0);
      slot.claim(name, kind);
      this.#slots.set(name, slot);
    }
    return slot;
  }
}

class Slot {
  #descriptor;
  #at;
  #record = Buffer.alloc(16);
  #started = 0;
  #finished = 0;

  constructor(descriptor, at, begun) {
    this.#descriptor = descriptor;
    this.#at = at;
    this.begun = begun;
  }

  claim(name, kind) {
    if (this.#descriptor === null) return;
    const bytes = Buffer.alloc(128);
    bytes.write(name, 0, 96, 'utf8');
    bytes[112] = kind;
    fs.writeSync(this.#descriptor, bytes, 0, 128, this.#at);
  }

  /** Note that the handler of this call is about to be run; false if it must not be. */
  begin(seq, board) {
    if (seq <= this.begun) return false;
    // Closes a race: the supervisor sets the flag, then looks for what was started. Either it sees this, or we the flag.
    this.start();
    if (board.flag() === 1) {
      this.finish();
      return false;
    }
    this.begun = seq;
    this.#write();
    return true;
  }

  start() {
    this.#started += 1;
    this.#write();
  }

  finish() {
    this.#finished += 1;
    this.#write();
  }

  #write() {
    if (this.#descriptor === null) return;
    this.#record.writeDoubleLE(this.begun, 0);
    this.#record.writeUInt32LE(this.#started, 8);
    this.#record.writeUInt32LE(this.#finished, 12);
    fs.writeSync(this.#descriptor, this.#record, 0, 16, this.#at + 96);
  }
}

const { SCANONCE_WARM: given } = process.env;
if (given !== undefined) {
  delete process.env.SCANONCE_WARM;
  // Our own word in NODE_OPTIONS is the first one; the program finds what was given.
  const options = (process.env.NODE_OPTIONS ?? '').replace(/^--require "(?:[^"\\]|\\.)*attach\.cjs"(?: |$)/, '');
  if (options) process.env.NODE_OPTIONS = options;
  else delete process.env.NODE_OPTIONS;
  delete require.cache[__filename];
  const [, channel, channelInode, board, boardInode, more] = /^(\d+) (\d+) (\d+) (\d+) (.*)$/s.exec(given) ?? [];
  // A program between scanonce and node may have closed descriptors that it does not know.
  if (isInode(channel, channelInode) && isInode(board, boardInode)) {
    try {
      start(Number(channel), Number(board), JSON.parse(more));
    } catch {
      // Without us the bot runs as ever, and its restarts are cold.
    }
  }
}
