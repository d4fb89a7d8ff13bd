'use strict';
// A bot with no browser that has something to put in order before it exits: it writes cleaned-up in its folder.

const fs = require('node:fs');

const running = setInterval(() => {}, 60_000);

process.on('SIGTERM', () => {
    fs.writeFileSync('cleaned-up', 'SIGTERM\n');
    console.log('cleaned up');
    clearInterval(running);
});

console.log('ready');
