// What surrounds credentials: their end, who floods, and that no secret is written down.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import tls from 'node:tls';
import { Authority, scenarios } from '../harness/index.mjs';

const plain = scenarios(import.meta.url);
const day = 86_400_000;

function scenario(sentence, body, options = {}) {
  plain(sentence, body, { ...options, prepare: (agent) => { agent.clients_ca = new Authority(`${agent.dir}/ca`, options.ca); } });
}

const warnings = async (client) => (await client.get('/v1/agent')).body.warnings;

// The certificate that the agent shows now.
function served(agent) {
  const [host, port] = agent.address.split(':');
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port: Number(port), ca: agent.ca }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

function filesBelow(folder) {
  return readdirSync(folder).flatMap((name) => {
    const file = `${folder}/${name}`;
    const status = statSync(file);
    return status.isDirectory() ? filesBelow(file) : status.isFile() ? [file] : [];
  });
}

scenario('No token is written down, whatever becomes of it', async (agent) => {
  await agent.untilRunning('leaf');
  const good = await agent.token('good', '--role', 'operator');
  const revoked = await agent.token('revoked', '--role', 'viewer');
  const typo = `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`;
  assert.equal((await agent.as(good).post('/v1/services/leaf/restart?wait=30')).status, 200);
  await agent.run('token', 'revoke', 'revoked', '--config', agent.settings);
  for (const token of [revoked, typo]) assert.equal((await agent.as(token).get('/v1/services')).status, 401);
  assert.equal((await agent.as(good).get('/v1/audit')).status, 403);
  await agent.run('token', 'list', '--config', agent.settings);
  await agent.run('reload', '--config', agent.settings);
  await agent.end();
  const mine = ['admin.token', 'admin.header'].map((name) => `${agent.state}/${name}`);
  const admin = readFileSync(mine[0], 'utf8').split('\n')[0];
  const files = [...filesBelow(agent.state).filter((file) => !mine.includes(file)), agent.log];
  assert.ok(files.some((file) => file.endsWith('noforce.db')) && readFileSync(agent.log).length > 0);
  for (const file of files) {
    const content = readFileSync(file);
    for (const token of [good, revoked, typo, admin]) {
      assert.equal(content.includes(token), false, `${file} holds a token`);
      assert.equal(content.includes(token.slice(3, 30)), false, `${file} holds a part of a token`);
    }
  }
});

scenario('A renewed certificate is taken up at once, on the same key, and open connections go on', async (agent) => {
  const before = await served(agent);
  agent.api.pool.maxSockets = 1;
  assert.equal((await agent.api.get('/v1/agent')).status, 200);
  const { stdout } = await agent.run('cert', 'renew', '--config', agent.settings);
  assert.match(stdout, /The running agent has taken it up/);
  const after = await served(agent);
  assert.notEqual(after.serialNumber, before.serialNumber);
  assert.equal(after.pubkey.equals(before.pubkey), true);
  assert.equal((await agent.api.get('/v1/agent')).status, 200);
});

scenario('A certificate of the settings is renewed where it comes from', async (agent) => {
  const own = new Authority(`${agent.dir}/own`);
  const pair = own.issue('localhost', { sans: ['DNS:localhost', 'IP:127.0.0.1'], usage: 'serverAuth', to: Date.now() + 20 * day });
  writeFileSync(`${agent.dir}/server.pem`, pair.cert, { mode: 0o600 });
  writeFileSync(`${agent.dir}/server.key`, pair.key, { mode: 0o600 });
  writeFileSync(agent.settings, readFileSync(agent.settings, 'utf8').replace('[tls]', '[tls]\ncertificate = "server.pem"\nkey = "server.key"'));
  assert.deepEqual(await warnings(agent.api), []);
  await agent.run('reload', '--config', agent.settings);
  const [sentence, ...others] = await warnings(agent.api);
  assert.match(sentence, /^the server's certificate ends at .*: renew it where it comes from/);
  assert.deepEqual(others, []);
  await assert.rejects(agent.run('cert', 'renew', '--config', agent.settings), (error) => /renew it where it comes from/.test(error.stderr));
});

scenario('What ends soon is said to whom it concerns, and to the log', async (agent) => {
  const soon = agent.as(await agent.token('soon', '--role', 'viewer', '--expires', '8d'));
  const other = agent.as(await agent.token('other', '--role', 'viewer'));
  const sentence = /^a CA of client certificates, or a CRL beside it, ends at /;
  for (const client of [agent.api, soon, other]) {
    const said = await warnings(client);
    assert.equal(said.length, 1, 'a token of eight days does not end within seven');
    assert.match(said[0], sentence);
  }
  assert.match(agent.lastLog(1000), /a CA of client certificates, or a CRL beside it, ends at /);
}, { ca: { to: Date.now() + 20 * day } });

scenario('Who floods with bad credentials takes nothing from a good one of the same address', async (agent) => {
  const bad = agent.as(`nf_${'A'.repeat(43)}`);
  const foreign = agent.as(null, new Authority(`${agent.dir}/foreign`).issue('ci.example.org'));
  const seen = new Set();
  for (let i = 0; i < 15; i += 1) for (const client of [bad, foreign]) seen.add((await client.get('/v1/services')).status);
  assert.deepEqual([...seen].sort(), [401, 429], 'failures by certificate count like those by token');
  assert.equal((await agent.api.get('/v1/agent')).status, 200);
  assert.equal((await agent.as(null, agent.clients_ca.issue('ci.example.org')).get('/v1/agent')).status, 200);
  const { body } = await agent.api.get('/v1/audit?event=denied&limit=1000');
  assert.ok(body.items.length < 20, 'counted, not written one by one');
});
