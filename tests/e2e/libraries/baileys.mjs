// A bot on the real Baileys, without a network: its own `useMultiFileAuthState` reads and writes the account.
import { useMultiFileAuthState } from '@whiskeysockets/baileys';

const { state, saveCreds } = await useMultiFileAuthState('auth');
const { creds, keys } = state;
creds.me ??= { id: '15551234567:3@s.whatsapp.net' };
console.log('account', Buffer.from(creds.noiseKey.public).toString('base64'));

async function receive() {
    const count = ++creds.accountSyncCounter;
    const pair = { private: Buffer.alloc(32, count), public: Buffer.alloc(32, count) };
    await keys.set({
        session: { '15551234567.0': Buffer.from(String(count).repeat(200)) },
        'pre-key': { [count]: pair },
        'app-state-sync-key': { 'AAAA/x=': { keyData: Buffer.alloc(32, 1) } },
    });
    await saveCreds();
    console.log('wrote', count);
}

for (;;) {
    await receive();
    await new Promise((resolve) => setTimeout(resolve, 30));
}
