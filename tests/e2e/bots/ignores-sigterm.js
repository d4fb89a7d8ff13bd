'use strict';
// Hears SIGTERM and goes on, its browser too.

const { Client, LocalAuth } = require('whatsapp-web.js');

const client = new Client({
    authStrategy: new LocalAuth({ clientId: '971505760056', dataPath: './sessions' }),
    puppeteer: {
        handleSIGTERM: false,
        executablePath: process.env.PUPPETEER_EXECUTABLE_PATH,
        args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
});

process.on('SIGTERM', () => console.log('ignoring SIGTERM'));

client.on('qr', () => console.log('qr'));
client.on('ready', () => console.log('ready'));
client.initialize();
