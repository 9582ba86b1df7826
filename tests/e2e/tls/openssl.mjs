// openssl's command line as a client, and as what makes certificates.
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { seconds } from '../harness/index.mjs';

export const openssl = (...words) => promisify(execFile)('openssl', words, { timeout: seconds(60), encoding: 'utf8', maxBuffer: 1 << 24 });

// `openssl s_client` against the agent; everything that it said, as one text, and how it ended.
// `say`: what is sent. `type`: what is typed, letters that it takes for commands. Without either it
// leaves as soon as the handshake is done.
export function client(agent, words, { say, type, ca = `${agent.state}/tls/ca.pem`, limit = 20 } = {}) {
  return new Promise((resolve, reject) => {
    const all = ['s_client', '-connect', agent.address, '-CAfile', ca, ...(words.includes('-servername') || words.includes('-noservername') ? [] : ['-servername', 'localhost']), ...(say ? ['-ign_eof'] : []), ...words];
    const child = spawn('openssl', all, { stdio: ['pipe', 'pipe', 'pipe'] });
    let text = '';
    const enough = setTimeout(() => child.kill(), seconds(limit));
    const take = (data) => {
      text += data.toString('latin1');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.stdin.on('error', () => {});
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(enough);
      if (signal) reject(new Error(`openssl ${all.join(' ')} did not end within ${limit} s:\n${text}`));
      else resolve({ code, text });
    });
    if (type) child.stdin.write(type);
    else child.stdin.end(say ?? '');
  });
}

// Whether a session came about; null where the client itself could not offer what was asked for.
export function outcome({ text }) {
  if (/^New, (TLSv1\.\d), Cipher is (?!\(NONE\))/m.test(text) || /^Reused, TLSv1/m.test(text)) return true;
  if (/no ciphers available|no cipher match|no protocols available|Error with command|unknown group|passed invalid argument|unsupported protocol\b.*\n.*no peer certificate/i.test(text) && !/alert number/.test(text)) return null;
  return false;
}

// `work` on each of `items`, a few at a time; the results in their order.
export async function each(items, work, atOnce = 4) {
  const results = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
