'use strict';

const { Client, LocalAuth } = require('whatsapp-web.js');
const qrcode = require('qrcode-terminal');

const number = process.env.BOT_NUMBER || '971505760056';

// Chromium refuses to run as root, which is what containers and many servers do, unless its sandbox is off.
const root = process.getuid?.() === 0;

const client = new Client({
    authStrategy: new LocalAuth({ clientId: number, dataPath: './sessions' }),
    puppeteer: {
        headless: true,
        executablePath: process.env.PUPPETEER_EXECUTABLE_PATH,
        args: root ? ['--no-sandbox'] : [],
    },
});

client.on('qr', (qr) => {
    console.log('Scan this with WhatsApp on your phone: Settings > Linked devices > Link a device');
    qrcode.generate(qr, { small: true });
});

client.on('authenticated', () => console.log('authenticated'));

client.on('auth_failure', (reason) => console.error('authentication failed:', reason));

client.on('ready', () => console.log(`ready: ${client.info.wid.user}`));

client.on('disconnected', (reason) => console.log('disconnected:', reason));

client.on('message', async (message) => {
    if (message.body === '!ping') {
        await message.reply('pong');
    }
});

client.initialize();
