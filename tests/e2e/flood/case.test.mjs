// Whoever floods the agent starves only himself: 2 000 idle connections, 200 event streams, 200 half-open
// handshakes and 100 headers of a byte a second, while a person asks.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { scenarios } from '../harness/index.mjs';
import { Raw } from '../harness/raw.mjs';
import { openFiles, openFilesDownTo, privateMemory } from '../harness/resources.mjs';

const scenario = scenarios(import.meta.url);
const person = '127.9.9.9';
const MiB = 1024;

const get = (agent, path, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${agent.api.token}\r\n${more}\r\n`;

// Makes `count` of them, some at a time.
async function many(count, make, atATime = 20) {
  const made = [];
  for (let n = 0; n < count; n += atATime)
    made.push(...await Promise.all(Array.from({ length: Math.min(atATime, count - n) }, (_, i) => make(n + i))));
  return made;
}

class Flood {
  // `from`: the address of the nth client.
  static async begin(agent, from, idle = 2000) {
    const flood = new Flood();
    flood.streams = await many(200, async (n) => {
      const raw = await Raw.tls(agent, { from: from(n), limit: 60 });
      raw.send(get(agent, '/v1/events'));
      assert.equal((await raw.answer({ limit: 60 })).status, 200);
      return raw;
    });
    flood.idle = await many(idle, async (n) => {
      const raw = await Raw.tls(agent, { from: from(n), limit: 60 });
      raw.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
      assert.equal((await raw.answer({ limit: 60 })).status, 200);
      return raw;
    });
    flood.half = await many(200, (n) => Raw.tcp(agent, { from: from(n) }));
    flood.slow = await many(100, async (n) => {
      const raw = await Raw.tls(agent, { from: from(n), limit: 60 });
      raw.send('GET / HTTP/1.1\r\nX: ');
      return raw;
    });
    flood.dribble = setInterval(() => flood.slow.forEach((raw) => raw.send('x')), 1000);
    return flood;
  }

  open(kind) {
    return this[kind].filter((raw) => !raw.ended).length;
  }

  end() {
    clearInterval(this.dribble);
    for (const kind of ['streams', 'idle', 'half', 'slow']) for (const raw of this[kind]) raw.destroy();
  }
}

async function isServed(agent, from) {
  const kept = await Raw.tls(agent, { from, limit: 30 });
  for (let n = 0; n < 20; n++) {
    for (const path of ['/healthz', '/v1/services/quiet']) {
      kept.send(get(agent, path));
      assert.equal((await kept.answer({ limit: 30 }))?.status, 200, `${path} on a kept connection`);
      const fresh = await Raw.tls(agent, { from, limit: 30 });
      fresh.send(get(agent, path, 'Connection: close\r\n'));
      assert.equal((await fresh.answer({ limit: 30 }))?.status, 200, `${path} on a new connection`);
      fresh.destroy();
    }
    await sleep(20);
  }
  kept.destroy();
}

// Everybody hears what happens, and the one who asked for it gets his answer.
async function eventsReach(agent, flood) {
  const before = flood.streams.map((raw) => raw.received.length);
  const job = await agent.done('restart', 'quiet');
  assert.equal(job.result, 'succeeded');
  for (const [n, raw] of flood.streams.entries())
    await raw.until(() => (raw.received.includes(`"id":"${job.id}"`, before[n]) ? true : undefined), 30, 'the job in each stream');
}

async function holdsOut(agent, from) {
  await agent.untilRunning('quiet', 'other');
  const files = openFiles(agent.child.pid);
  const flood = await Flood.begin(agent, from);
  try {
    await isServed(agent, person);
    await eventsReach(agent, flood);
    assert.equal(flood.open('idle'), 2000, 'there was room for all of them');
    assert.equal(flood.open('streams'), 200);
    const memory = privateMemory(agent.child.pid);
    assert.ok(memory < 160 * MiB, `${memory} KiB of its own`);
    // The handshakes and the headers that never come are let go, each by its deadline.
    for (const raw of [...flood.half, ...flood.slow]) await raw.closed(60);
  } finally {
    flood.end();
  }
  // A few more may stay: the journal's readers are opened when they are needed first.
  assert.ok((await openFilesDownTo(agent.child.pid, files + 8)) <= files + 8, 'what was opened is closed');
}

scenario('A flood from many addresses keeps nobody from being served', (agent) =>
  holdsOut(agent, (n) => `127.1.${n % 200}.${1 + (n % 7)}`), { limit: 200 });

scenario('A flood that takes all the room of its address lets its own oldest go, and no others', async (agent) => {
  await agent.untilRunning('quiet', 'other');
  const friend = await Raw.tls(agent, { from: person });
  friend.send(get(agent, '/v1/services/quiet'));
  assert.equal((await friend.answer()).status, 200);
  const flood = await Flood.begin(agent, () => '127.0.0.2', 2300);
  try {
    assert.ok(flood.open('idle') < 2300, 'the oldest had to go');
    assert.equal(flood.open('streams'), 200, 'what is busy stays');
    friend.send(get(agent, '/v1/services/quiet'));
    assert.equal((await friend.answer({ limit: 30 }))?.status, 200, 'an idle connection of another address stayed');
    await isServed(agent, person);
    await isServed(agent, '127.0.0.2'); // also the person who sits behind that address
    await eventsReach(agent, flood);
  } finally {
    flood.end();
    friend.destroy();
  }
}, { limit: 200 });
