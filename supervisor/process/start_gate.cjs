// Loaded before the first line of a bot that `hold.py` has node wait with: says that it is here, and waits for one byte.
// If nobody is left who could send it, the bot is not started. Leaves nothing behind that the bot could see or hand down.
'use strict';

const fs = require('node:fs');

const { SCANONCE_HELD: held } = process.env;

/** Whether the descriptor is the socket: where something between scanonce and node closes what it does not know, it may
 * be closed, or another file's by now. Then nobody counts on this node to wait. */
function isSocket(descriptor, inode) {
  try {
    return fs.fstatSync(descriptor).ino === inode;
  } catch {
    return false;
  }
}

/** Wait for the byte; false if it can come no more. */
function isLetGo(socket) {
  try {
    fs.writeSync(socket, '.');
  } catch {
    // The other end is gone already, but the byte may have been sent before.
  }
  try {
    return fs.readSync(socket, Buffer.alloc(1)) > 0;
  } catch {
    return false;
  } finally {
    fs.closeSync(socket);
  }
}

// A worker loads this again, whose environment no longer has the word.
if (held !== undefined) {
  const [, descriptor, inode, options] = /^(\d+) (\d+)(?: (.*))?$/s.exec(held);
  delete process.env.SCANONCE_HELD;
  if (options === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = options;
  delete require.cache[__filename];
  if (isSocket(Number(descriptor), Number(inode))) {
    const { uptime } = process;
    const reached = uptime();
    if (!isLetGo(Number(descriptor))) process.exit();
    // Bots tell it to their users: the time that was waited is not theirs.
    const waited = uptime() - reached;
    process.uptime = () => uptime() - waited;
  }
}
