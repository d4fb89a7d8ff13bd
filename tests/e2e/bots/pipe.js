'use strict';
// DevTools over a pipe: there is no port, so nobody but the bot can reach the page. It links itself, and prints the
// stand-in page's counters: `found` once, then `written` again and again.

const { Client, LocalAuth } = require('whatsapp-web.js');

const number = '971505760056';

const client = new Client({
    authStrategy: new LocalAuth({ clientId: number, dataPath: './sessions' }),
    puppeteer: {
        pipe: true,
        executablePath: process.env.PUPPETEER_EXECUTABLE_PATH,
        args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
});

const standin = (expression) => client.pupPage.evaluate(`__standin.${expression}`);
const print = async (name) => console.log(name, JSON.stringify(await standin(name)));

client.on('qr', async () => {
    console.log('qr');
    await standin(`scan('${number}@c.us')`);
});

client.on('ready', async () => {
    console.log('ready');
    await print('found');
    for (;;) {
        await print('written');
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
});

client.initialize();
