// Every published advisory about cpp-httplib, replayed. None bites; the agent goes on answering.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Agent, Raw, bytes, isAlive, openFilesDownTo, privateMemory, program, seconds, within } from '../harness/index.mjs';
import { clientSide } from './client_side.mjs';
import { serverSide } from './server_side.mjs';

const slowdown = seconds(1) / 1000;
// A sanitizer keeps freed memory back on purpose.
const mostGrowth = (slowdown > 1 ? 512 : 16) * 1024;
const template = readFileSync(new URL('settings.toml', import.meta.url), 'utf8');

// A listener that answers every connection alike, and remembers what it was asked.
async function hostileService(port, address, answer, endless) {
  const asked = [];
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (data) => {
      asked.push(data.toString('latin1'));
      socket.write(bytes(answer));
      if (!endless) return socket.end();
      // As fast as it is taken.
      const again = () => {
        while (!socket.destroyed && socket.write(bytes(endless)));
        if (!socket.destroyed) socket.once('drain', again);
      };
      again();
    });
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, address, resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return { asked, close, port: server.address().port };
}

// CR LF in what the client itself sends.
const ownWords = ['CVE-2023-26130', 'CVE-2026-103930'];

async function assertStillWell(agent, pid, memory) {
  assert.ok(isAlive(pid) && agent.isRunning && agent.child.pid === pid, 'the agent lives');
  const answer = await within(5, 'a status request is answered', agent.api.get('/v1/services/base'));
  assert.deepEqual([answer.status, answer.body.state], [200, 'running']);
  const grown = privateMemory(pid) - memory;
  assert.ok(grown < mostGrowth, `the agent's memory grew by ${grown} KiB`);
}

describe('As a server', () => {
  let agent;
  let memory;
  before(async () => {
    agent = await Agent.start(template);
    await agent.untilRunning('base');
    memory = privateMemory(agent.child.pid);
  });
  after(() => agent.tearDown());

  for (const advisory of serverSide) {
    test(`${advisory.number}: ${advisory.what}`, { timeout: seconds(120) }, async () => {
      const { pid } = agent.child;
      const opened = [];
      const connect = async (options) => {
        opened.push(await Raw.tls(agent, options));
        return opened.at(-1);
      };
      const context = { agent, connect, auth: `Authorization: Bearer ${agent.api.token}` };
      try {
        await advisory.play(context);
        await advisory.after?.(context);
      } finally {
        for (const raw of opened) raw.destroy();
      }
      await assertStillWell(agent, pid, memory);
    });
  }
});

describe('As a client, of services that it asks whether they work', () => {
  let agent;
  let elsewhere;
  let jobs;
  let memory;
  const services = {};
  before(async () => {
    const more = clientSide.map(({ name }) => `
[[service]]
name    = "${name}"
command = [\${worker:${name}}]
type    = "notify"
start   = "manual"
[policy."${name}"]
verify = { http = "http://127.0.0.1:\${PORT_${name}}/health", within_s = 2 }
`).join('');
    agent = await Agent.start(template + more);
    await agent.untilRunning('base');
    elsewhere = await hostileService(0, '127.0.0.2', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    for (const { name, answer, endless } of clientSide) {
      const text = typeof answer === 'function' ? answer({ elsewhere: elsewhere.port }) : answer;
      services[name] = await hostileService(agent.ports[name], '127.0.0.1', text, endless);
    }
    const { pid } = agent.child;
    memory = privateMemory(pid);
    const started = await Promise.all(clientSide.map(({ name }) => agent.done('start', name, { on_failure: 'leave' })));
    jobs = Object.fromEntries(clientSide.map(({ name }, i) => [name, started[i]]));
  });
  after(async () => {
    await Promise.all([elsewhere, ...Object.values(services)].map((service) => service?.close()));
    await agent.tearDown();
  });

  for (const { name, number, what, works } of clientSide) {
    test(`${[...number, what].join(', ')}`, () => {
      const job = jobs[name];
      assert.ok(services[name].asked.length > 0, 'the service was asked');
      for (const asked of services[name].asked) {
        assert.match(asked, /^GET \/health HTTP\/1\.1\r\n/);
        assert.doesNotMatch(asked, /authorization|cookie|bearer/i, 'no credential is sent along');
      }
      assert.equal(job.state, 'done');
      if (works !== null) assert.equal(job.result, works ? 'succeeded' : 'failed', JSON.stringify(job.error));
      if (job.result === 'failed') assert.deepEqual([job.error.code, job.error.service], ['verify_failed', name]);
      assert.ok(job.duration_ms < seconds(20), `it took ${job.duration_ms} ms`);
    });
  }

  test('No redirect was followed', () => assert.deepEqual(elsewhere.asked, []));

  test('The agent goes on, and holds nothing of it', async () => {
    await assertStillWell(agent, agent.child.pid, memory);
    assert.ok((await openFilesDownTo(agent.child.pid, 60)) <= 60, 'no connection to a service is left');
  });

  // The URL of the settings is all that the client sends of somebody else's.
  test(`${ownWords.join(', ')}: a URL with a line break in it is refused with its line`, async () => {
    const file = `${agent.dir}/other/settings.toml`;
    mkdirSync(path.dirname(file));
    const check = async (url) => {
      writeFileSync(file, readFileSync(agent.settings, 'utf8').replace(/verify = \{ http = "[^"]*"/, `verify = { http = "${url}"`));
      return agent.run('check-config', file).then(() => ({ code: 0 }), ({ code, stderr }) => ({ code, told: stderr }));
    };
    for (const url of ['http://127.0.0.1/\\r\\nX: y', 'http://127.0.0.1/\\nX', 'http://127.0.0.1\\r\\n/', 'http://127.0.0.1/\\u0000']) {
      const { code, told } = await check(url);
      assert.notEqual(code, 0, url);
      assert.match(told, /settings\.toml:\d+:\d+: 'http' may not contain control characters/);
    }
    assert.equal((await check('http://127.0.0.1/health')).code, 0);
  });
});

// What cannot be replayed, because the code that it is about is not in the executable.
const notBuilt = { 'CVE-2026-54919': 'mbedtls_ssl_handshake' };

test('The executable has none of the TLS libraries that the rest is about', () => {
  const code = readFileSync(program, 'latin1');
  assert.ok(code.includes('SSL_accept') || code.includes('SSL_do_handshake'), 'OpenSSL is what it is built with');
  for (const symbol of Object.values(notBuilt)) assert.ok(!code.includes(symbol), symbol);
  assert.ok(!code.includes('wolfSSL_'), 'wolfSSL');
});

test('docs/security.md lists what is replayed here, and nothing else', () => {
  const told = new Set(readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8').match(/^\| CVE-\d+-\d+/gm).map((cell) => cell.slice(2)));
  const replayed = new Set([...serverSide.map(({ number }) => number), ...clientSide.flatMap(({ number }) => number), ...ownWords, ...Object.keys(notBuilt)]);
  assert.deepEqual([...told].sort(), [...replayed].sort());
});
