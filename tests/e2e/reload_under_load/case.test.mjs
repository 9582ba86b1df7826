// A hundred reloads, each with another certificate, while a request comes every millisecond: nobody
// notices but who makes a new connection.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import tls from 'node:tls';
import { test } from 'node:test';
import { Agent, within } from '../harness/index.mjs';

const template = readFileSync(new URL('settings.toml', import.meta.url), 'utf8');
const extra = '[[service]]\nname = "extra"\ncommand = [${worker:extra}]\ntype = "notify"\n[[group]]\nname = "some"\nservices = ["steady", "extra"]\n';
const reloads = 100;
const slowdown = Number(process.env.NOFORCE_TEST_SLOWDOWN ?? 1);

// A key and a certificate for it from the CA that `noforce init` made.
function makePair(agent, name) {
  const [pem, key] = [`${agent.dir}/${name}.pem`, `${agent.dir}/${name}.key`];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', pem,
    '-days', '30', '-subj', `/CN=${name}`, '-CA', `${agent.state}/tls/ca.pem`, '-CAkey', `${agent.state}/tls/ca.key`,
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'], { stdio: 'pipe' });
  const files = { certificate: readFileSync(pem), key: readFileSync(key) };
  return { ...files, fingerprint: new X509Certificate(files.certificate).fingerprint256 };
}

function put(agent, { certificate, key }) {
  for (const [name, text] of [['own.key', key], ['own.pem', certificate]]) {
    writeFileSync(`${agent.dir}/${name}.new`, text, { mode: 0o600 });
    renameSync(`${agent.dir}/${name}.new`, `${agent.dir}/${name}`);
  }
}

// What somebody sees who connects now.
function presented(agent) {
  const [host, port] = agent.address.split(':');
  return within(20, 'a handshake', new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port: Number(port), ca: agent.ca, servername: 'localhost' }, () => {
      const { fingerprint256 } = socket.getPeerX509Certificate();
      socket.destroy();
      resolve(fingerprint256);
    });
    socket.on('error', reject);
  }));
}

// One request a millisecond, by the clock, until stop(): most on a few connections that are kept,
// every tenth on one of its own. Nothing is ever sent twice.
class Load {
  constructor(agent) {
    [this.host, this.port] = agent.address.split(':');
    this.ca = agent.ca;
    this.headers = { authorization: `Bearer ${agent.api.token}` };
    this.pool = new https.Agent({ keepAlive: true, maxSockets: 8, ca: this.ca });
    this.asked = 0; // by the clock
    this.sent = 0;
    this.answered = 0;
    this.fresh = 0;
    this.wrong = [];
    this.open = 0;
    this.began = performance.now();
    this.timer = setInterval(() => this.tick(), 1);
  }

  tick() {
    const due = Math.floor(performance.now() - this.began);
    for (; this.asked < due && this.open < 256; this.asked += 1) this.ask();
    this.asked = Math.max(this.asked, due); // what a slow machine could not send is not made up for
  }

  ask() {
    const n = this.sent;
    this.sent += 1;
    this.open += 1;
    const fresh = n % 10 === 0;
    if (fresh) this.fresh += 1;
    const path = ['/healthz', '/v1/services/steady', '/v1/services?limit=5', '/v1/agent'][n % 4];
    const agent = fresh ? false : this.pool;
    const request = https.request({ host: this.host, port: this.port, ca: this.ca, agent, path, headers: this.headers }, (response) => {
      response.resume();
      response.on('error', (error) => this.settle(`${path}: ${error.message}`));
      response.on('end', () => this.settle(response.statusCode === 200 ? null : `${path}: ${response.statusCode}`));
    });
    request.on('error', (error) => this.settle(`${path} (${fresh ? 'new' : 'kept'} connection): ${error.code ?? error.message}`));
    request.end();
  }

  settle(problem) {
    this.open -= 1;
    this.answered += 1;
    if (problem !== null) this.wrong.push(problem);
  }

  async stop() {
    clearInterval(this.timer);
    await within(60, 'all requests are answered', (async () => {
      while (this.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    })());
    this.pool.destroy();
    return performance.now() - this.began;
  }
}

async function refused(agent) {
  const error = await agent.reload().then(() => null, (problem) => problem);
  assert.ok(error, 'the reload was to be refused');
}

test('A hundred reloads under a request every millisecond: none fails, streams and jobs go on', { timeout: 280_000 * slowdown }, async () => {
  const agent = new Agent();
  let failure;
  try {
    await agent.run('init', '--state-dir', agent.state, '--host', 'localhost', '--host', '127.0.0.1');
    const pairs = [makePair(agent, 'a'), makePair(agent, 'b')];
    put(agent, pairs[0]);
    await agent.rewrite(template);
    await agent.serve();
    await agent.untilRunning('steady', 'slow');
    const stream = await agent.stream();
    agent.control('slow', { stop: 'hang' });
    const { id } = await agent.accepted('restart', 'slow');
    await agent.untilState('slow', 'stop_pending');

    const load = new Load(agent);
    for (let n = 1; n <= reloads; n += 1) {
      const pair = pairs[n % 2];
      put(agent, pair);
      await agent.rewrite(n % 2 === 1 ? template + extra : template);
      await agent.reload();
      assert.equal(await presented(agent), pair.fingerprint, `after reload ${n}`);
      if (n % 10 === 5) { // a key of another certificate
        put(agent, { certificate: pair.certificate, key: pairs[(n + 1) % 2].key });
        await refused(agent);
        assert.equal(await presented(agent), pair.fingerprint);
        put(agent, pair);
      }
      if (n % 10 === 7) { // settings with a mistake, beside a good other pair
        put(agent, pairs[(n + 1) % 2]);
        await agent.rewrite(`${template}[nonsense]\n`);
        await refused(agent);
        assert.equal(await presented(agent), pair.fingerprint);
      }
    }
    const ms = await load.stop();

    console.log(`# ${load.sent} requests in ${Math.round(ms)} ms, ${load.fresh} of them on connections of their own; ${load.wrong.length} failed`);
    assert.deepEqual(load.wrong.slice(0, 5), [], `${load.wrong.length} of ${load.sent} requests failed`);
    assert.equal(load.answered, load.sent);
    assert.ok(load.sent > 10 * reloads, `only ${load.sent} requests were sent`);
    assert.equal(stream.ended, false, 'the event stream goes on');
    assert.ok(!stream.events.some((e) => e.event === 'gap'), 'the event stream has lost something');
    assert.equal((await agent.job(id)).state, 'running');
    agent.control('slow', { stop: 'now' });
    assert.equal((await agent.waitJob(id)).result, 'succeeded');
    await stream.until((e) => e.event === 'job' && e.data.id === id && e.data.state === 'done', 'the end of the job comes on the stream');
    assert.equal(agent.life.of('steady', 'start').length, 1, 'what was not changed was not started anew');
    assert.equal(agent.life.of('extra', 'start').length, 1, 'what was taken out and put back ran on');
  } catch (error) {
    failure = error;
  }
  await agent.tearDown(failure !== undefined).catch((error) => { failure ??= error; });
  if (failure) throw failure;
});
