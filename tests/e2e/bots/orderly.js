'use strict';
// An HTTP API for accounts, which come and go at run time; those on the disk are opened at the start.
//     /open/ID /close/ID /remove/ID /logout/ID    an account          /draw/MS   a browser of its own for that long
//     RECOVER=1   opens the browser of an account again when its page is closed, as wwebjs-api does

const fs = require('fs');
const http = require('http');
const puppeteer = require('puppeteer');
const { Client, LocalAuth } = require('whatsapp-web.js');

const HOME = './sessions';
const browser = {
    executablePath: process.env.PUPPETEER_EXECUTABLE_PATH,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    handleSIGINT: !process.env.RECOVER,
    handleSIGTERM: !process.env.RECOVER,
    handleSIGHUP: !process.env.RECOVER,
};
const clients = new Map();

async function open(id) {
    const client = new Client({ authStrategy: new LocalAuth({ clientId: id, dataPath: HOME }), puppeteer: browser });
    clients.set(id, client);
    client.on('qr', () => console.log(`${id} qr`));
    client.on('ready', () => console.log(`${id} ready`));
    await client.initialize();
    if (!process.env.RECOVER) return;
    client.pupPage.once('close', async () => {
        console.log(`${id} reopened`);
        await client.destroy().catch(() => {});
        await open(id).catch(() => {});
    });
}

async function close(id) {
    await clients.get(id).destroy();
    clients.delete(id);
}

async function draw(milliseconds) {
    const own = await puppeteer.launch(browser);
    await (await own.newPage()).setContent('<h1>card</h1>');
    await new Promise((done) => setTimeout(done, Number(milliseconds)));
    await own.close();
}

const commands = {
    open,
    close,
    draw,
    async logout(id) {
        await clients.get(id).logout();
        clients.delete(id);
    },
    async remove(id) {
        await close(id);
        await fs.promises.rm(`${HOME}/session-${id}`, { recursive: true, force: true });
    },
};

// After its own logout whatsapp-web.js goes on with a page that is closed.
process.on('unhandledRejection', (error) => console.log(`unhandled ${error}`));

const server = http.createServer(async (request, response) => {
    const [, command, argument] = request.url.split('/');
    try {
        await commands[command](argument);
        response.end('done');
    } catch (error) {
        response.statusCode = 500;
        response.end(String(error));
    }
});
server.listen(0, '127.0.0.1', () => {
    console.log(`listening ${server.address().port}`);
    const found = fs.existsSync(HOME) ? fs.readdirSync(HOME).filter((name) => name.startsWith('session-')) : [];
    for (const name of found) open(name.slice('session-'.length)).catch((error) => console.log(`failed ${error}`));
});
