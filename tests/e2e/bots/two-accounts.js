'use strict';
// One process, two accounts: two browsers, two profiles.

const { Client, LocalAuth } = require('whatsapp-web.js');

for (const number of ['971505760056', '971505760057']) {
    const client = new Client({
        authStrategy: new LocalAuth({ clientId: number, dataPath: './sessions' }),
        puppeteer: {
            executablePath: process.env.PUPPETEER_EXECUTABLE_PATH,
            args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
        },
    });
    client.on('qr', () => console.log(`${number} qr`));
    client.on('ready', () => console.log(`${number} ready`));
    client.initialize();
}
