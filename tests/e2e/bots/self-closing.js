'use strict';
// Takes care of its browser itself: puppeteer's signal handlers are off, and SIGTERM or SIGINT closes it cleanly.

const { Client, LocalAuth } = require('whatsapp-web.js');

const client = new Client({
    authStrategy: new LocalAuth({ clientId: '971505760056', dataPath: './sessions' }),
    puppeteer: {
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
        executablePath: process.env.PUPPETEER_EXECUTABLE_PATH,
        args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
});

let closing = false;

async function close(signal) {
    if (closing) return;
    closing = true;
    console.log(`closing on ${signal}`);
    await client.destroy();
    console.log('closed');
    process.exit(0);
}

process.on('SIGINT', close);
process.on('SIGTERM', close);

client.on('qr', () => console.log('qr'));
client.on('ready', () => console.log('ready'));
client.initialize();
