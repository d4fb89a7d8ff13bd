// The gate of a page, evaluated in it by the bot's node and by the supervisor: `(action, argument) => answer`.
//
// puppeteer's function for the page keeps the arguments of each call in `window[name].args`, by number, until node has
// answered: that is the journal. It passes the call on to `window['puppeteer_' + name]`, which V8 sends to those DevTools
// sessions that have added the binding. The gate takes the place of that native function: while it is closed a call
// waits in one queue for all functions, so that the order is kept.
(action, argument) => {
  'use strict';
  const PREFIX = 'puppeteer_';
  const KEY = Symbol.for('scanonce.gate');
  const gate = window[KEY] ?? {
    natives: new Map(), // by name, what V8 has put there last
    closed: new Set(), // names whose calls wait
    marks: new Map(), // by name, the number of the last call before it was closed
    queue: [], // [name, payload], in order
    order: new WeakMap(), // by the arguments of a call in a journal, its number among the calls of all functions
    calls: 0,
    limit: Infinity,
    dropped: 0,
    known: null, // the window's own names when the bot was ready
  };
  if (!(KEY in window)) Object.defineProperty(window, KEY, { value: gate });

  /** Forget a call that nobody will answer: the page goes on as if the bot had answered nothing. */
  function forget(name, seq) {
    const wrapper = window[name];
    wrapper?.args?.delete(seq);
    const waiting = wrapper?.callbacks?.get(seq);
    wrapper?.callbacks?.delete(seq);
    waiting?.resolve(undefined);
  }

  function call(name, payload) {
    const [, seq] = /"seq":(\d+)/.exec(payload); // puppeteer puts it before the arguments
    const args = window[name]?.args?.get(Number(seq));
    if (args !== undefined) gate.order.set(args, (gate.calls += 1));
    if (!gate.closed.has(name)) return gate.natives.get(name)(payload);
    if (gate.queue.length < gate.limit) {
      gate.queue.push([name, payload]);
    } else {
      gate.dropped += 1;
      queueMicrotask(() => forget(name, Number(seq))); // its callback is set after this
    }
  }

  function install(name) {
    if (gate.natives.has(name)) return;
    const key = PREFIX + name;
    gate.natives.set(name, window[key]);
    const gated = (payload) => call(name, payload);
    // V8 sets the property when another session adds the binding.
    const set = (native) => {
      if (native !== gated) gate.natives.set(name, native);
    };
    Object.defineProperty(window, key, { configurable: true, enumerable: true, get: () => gated, set });
  }

  function names() {
    const own = Object.getOwnPropertyNames(window);
    return own.filter((key) => key.startsWith(PREFIX) && typeof window[key] === 'function').map((key) => key.slice(PREFIX.length));
  }

  function close({ limit }) {
    gate.limit = limit ?? gate.limit;
    const last = {};
    for (const name of names()) {
      install(name);
      const seq = window[name]?.lastSeq ?? 0;
      if (!gate.closed.has(name)) gate.marks.set(name, seq);
      gate.closed.add(name);
      last[name] = gate.marks.get(name);
    }
    const exposed = new Set(Object.keys(last));
    const added = gate.known === null ? [] : Object.getOwnPropertyNames(window).filter((name) => !gate.known.has(name));
    return {
      names: last,
      globals: added.filter((name) => !exposed.has(name) && !name.startsWith(PREFIX)),
      heap: performance.memory?.usedJSHeapSize ?? null,
      marked: gate.known !== null,
    };
  }

  /** Calls from before the gate was closed that have no answer: to deliver, or begun by a bot that is gone. */
  function fromJournal(name, begun, unfinished) {
    const found = [];
    const wrapper = window[name];
    const queued = new Set(gate.queue.filter(([one]) => one === name).map(([, payload]) => JSON.parse(payload).seq));
    for (const [seq, args] of [...(wrapper?.args ?? [])].sort((a, b) => a[0] - b[0])) {
      if (seq <= begun) {
        unfinished[name] = (unfinished[name] ?? 0) + 1;
        forget(name, seq);
      } else if (!queued.has(seq)) {
        const isTrivial = !args.some((value) => value instanceof Node);
        const payload = JSON.stringify({ type: 'exposedFun', name, seq, args, isTrivial });
        found.push({ name, payload, order: gate.order.get(args) ?? 0 });
      }
    }
    return found;
  }

  function open({ begun, bound, alive }) {
    const opened = (bound ?? [...gate.closed]).filter((name) => gate.closed.has(name));
    const unfinished = {};
    let replayed = 0;
    const deliver = (name, payload) => {
      replayed += 1;
      gate.natives.get(name)(payload);
    };
    // A bot that goes on still answers what it has begun, and has been sent what came before the gate was closed.
    const before = alive ? [] : opened.flatMap((name) => fromJournal(name, begun[name] ?? 0, unfinished));
    before.sort((a, b) => a.order - b.order);
    for (const { name, payload } of before) deliver(name, payload);
    const names = new Set(opened);
    const waiting = gate.queue.filter(([name]) => !names.has(name));
    for (const [name, payload] of gate.queue) if (names.has(name)) deliver(name, payload);
    gate.queue = waiting;
    for (const name of opened) gate.closed.delete(name);
    const { dropped } = gate;
    gate.dropped = 0;
    return { replayed, unfinished, dropped };
  }

  switch (action) {
    case 'close':
      return close(argument);
    case 'open':
      return open(argument);
    case 'mark':
      gate.known ??= new Set(Object.getOwnPropertyNames(window));
      for (const name of names()) install(name); // from now on the order of all calls is known
      return { marked: true };
    default: {
      const unanswered = names().reduce((sum, name) => sum + (window[name]?.args?.size ?? 0), 0);
      return { closed: gate.closed.size, queued: gate.queue.length, dropped: gate.dropped, unanswered, marked: gate.known !== null };
    }
  }
}
