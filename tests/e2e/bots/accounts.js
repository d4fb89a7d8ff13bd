'use strict';
// One process, as many accounts as it is told: node index.js NUMBER...

const { Client, LocalAuth } = require('whatsapp-web.js');

process.setMaxListeners(0); // puppeteer adds some for each browser

for (const number of process.argv.slice(2)) {
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
