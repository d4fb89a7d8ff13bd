// A bot on the real Playwright. Its page counts, in localStorage and IndexedDB, from where it stopped.
import http from 'node:http';
import { chromium } from 'playwright-core';

const page = `<!doctype html><title>Chat</title><script>
const open = () => new Promise((done) => {
    const request = indexedDB.open('store', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('kv');
    request.onsuccess = () => done(request.result);
});
const put = (db, value) => new Promise((done) => {
    const change = db.transaction('kv', 'readwrite');
    change.objectStore('kv').put(value, 'n');
    change.oncomplete = done;
});
(async () => {
    const db = await open();
    window.began = Number(localStorage.n || 0);
    for (let n = window.began; ;) {
        localStorage.n = ++n;
        await put(db, n);
        window.count = n;
        await new Promise((done) => setTimeout(done, 20));
    }
})();
</script>`;

const server = http.createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(page));
await new Promise((done) => server.listen(Number(process.argv[2]), '127.0.0.1', done));
const context = await chromium.launchPersistentContext('profile', {
    executablePath: process.env.CHROMIUM,
    args: ['--no-sandbox'],
    handleSIGTERM: false,
});
const tab = context.pages()[0];
await tab.goto(`http://127.0.0.1:${process.argv[2]}/`);
await tab.waitForFunction(() => window.count > window.began);
console.log('began', await tab.evaluate(() => window.began));
for (;;) {
    console.log('counted', await tab.evaluate(() => window.count));
    await new Promise((done) => setTimeout(done, 50));
}
