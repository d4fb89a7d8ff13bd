// Loaded before the first line of a bot's program (see start_gate.py): reports that it is here, and waits for one byte. If
// the other end is closed instead, the bot is not started. Leaves nothing behind that the bot could see or pass on.
'use strict';

const fs = require('node:fs');

const { SCANONCE_HELD: held } = process.env;

/** Whether the descriptor is still the socket: a program between scanonce and node may have closed descriptors that it
 * does not know. Then this node does not wait, and scanonce does not expect it to. */
function isSocket(descriptor, inode) {
  try {
    // With `bigint`: after another one the same node takes a linked module's link for its place (node 20.20, measured),
    // and does not find what lies beside the module: pnpm links every package so.
    return fs.fstatSync(descriptor, { bigint: true }).ino === BigInt(inode);
  } catch {
    return false;
  }
}

/** Wait for the byte; false if it cannot come any more. */
function isOpened(socket) {
  try {
    fs.writeSync(socket, '.');
  } catch {
    // The other end is closed, but the byte may have been sent before.
  }
  try {
    return fs.readSync(socket, Buffer.alloc(1)) > 0;
  } catch {
    return false;
  } finally {
    fs.closeSync(socket);
  }
}

// A worker loads this again, without the variable in its environment.
if (held !== undefined) {
  const [, descriptor, inode, options] = /^(\d+) (\d+)(?: (.*))?$/s.exec(held);
  delete process.env.SCANONCE_HELD;
  if (options === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = options;
  delete require.cache[__filename];
  if (isSocket(Number(descriptor), Number(inode))) {
    const { uptime } = process;
    const reached = uptime();
    if (!isOpened(Number(descriptor))) process.exit();
    // Bots show their uptime to users: it must not include the wait.
    const waited = uptime() - reached;
    process.uptime = () => uptime() - waited;
  }
}
