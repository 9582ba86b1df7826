// Client certificates: who is known by one, who is not and is told why, and how it ends.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import tls from 'node:tls';
import { Authority, EventStream, scenarios, seconds, sleep } from '../harness/index.mjs';

const plain = scenarios(import.meta.url);
const day = 86_400_000;

function scenario(sentence, body, options = {}) {
  plain(sentence, body, {
    ...options,
    prepare: (agent) => {
      agent.clients_ca = new Authority(`${agent.dir}/ca`);
      agent.trusted = `${agent.dir}/ca/trusted.pem`;
      writeFileSync(agent.trusted, agent.clients_ca.pem, { mode: 0o600 });
    },
  });
}

const identity = (agent, name, options) => agent.clients_ca.issue(name, options);
const ci = (agent, options) => identity(agent, 'ci.example.org', options);
const narrow = (agent) => identity(agent, 'narrow', { sans: ['URI:spiffe://example.org/narrow'] });
const json = { headers: { 'content-type': 'application/json' } };
const restart = (client, service, options = json) => client.request('POST', `/v1/services/${service}/restart?wait=30`, options);
const reload = (agent) => agent.run('reload', '--config', agent.settings);
function rewrite(agent, change) {
  writeFileSync(agent.settings, change(readFileSync(agent.settings, 'utf8')));
}

// The answer to one request on a connection of its own, with this session: { status, body, reused, session }.
function askOnce(agent, { session, ...identity } = {}, version = 'TLSv1.3') {
  const [host, port] = agent.address.split(':');
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port: Number(port), ca: agent.ca, minVersion: version, maxVersion: version, session, ...identity });
    let kept;
    socket.on('session', (next) => { kept = next; });
    socket.on('error', reject);
    let text = '';
    socket.on('data', (part) => { text += part; });
    socket.on('end', () => {
      const [head, body] = text.split('\r\n\r\n');
      resolve({ status: Number(head.split(' ')[1]), body: JSON.parse(body), reused: socket.isSessionReused(), session: kept });
    });
    socket.on('secureConnect', () => socket.write(`GET /v1/agent HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  });
}

scenario('A listed certificate of the CA is who the settings say', async (agent) => {
  await agent.untilRunning('leaf', 'smtpsvc');
  const client = agent.as(null, ci(agent));
  const { status, body } = await client.get('/v1/agent');
  assert.equal(status, 200);
  assert.deepEqual(body.credential, { name: 'cert:dns:ci.example.org', role: 'operator', services: [], actions: [] });
  const job = await restart(client, 'leaf');
  assert.deepEqual([job.status, job.body.result, job.body.requested_by], [200, 'succeeded', 'cert:dns:ci.example.org']);
  assert.equal((await client.get('/v1/audit')).status, 403);
  const admin = agent.as(null, identity(agent, 'x', { sans: ['IP:192.0.2.7', 'DNS:not.listed'] }));
  assert.equal((await admin.get('/v1/audit')).status, 200);
  const anna = agent.as(null, identity(agent, 'x', { sans: ['email:anna@EXAMPLE.org'] }));
  assert.equal((await anna.get('/v1/agent')).body.credential.name, 'cert:email:anna@example.org');
});

scenario('Who shows a certificate that ends soon is told, and nobody else', async (agent) => {
  const warned = async (client) => (await client.get('/v1/agent')).body.warnings.filter((one) => one.includes('that was shown'));
  const old = agent.as(null, ci(agent, { from: Date.now() - 30 * day, to: Date.now() + 5 * day }));
  assert.match((await warned(old)).join(), /^the certificate of 'cert:dns:ci\.example\.org' that was shown ends at 20/);
  assert.deepEqual(await warned(agent.as(null, ci(agent, { to: Date.now() + 25 * day }))), []);
  assert.deepEqual(await warned(agent.api), []);
});

scenario('Whoever is not known by a certificate is told why, and learns nothing else', async (agent) => {
  const foreign = new Authority(`${agent.dir}/foreign`);
  const below = new Authority(`${agent.dir}/below`, { name: 'below', signedBy: agent.clients_ca });
  const server = { cert: readFileSync(`${agent.state}/tls/server.pem`, 'utf8'), key: readFileSync(`${agent.state}/tls/server.key`, 'utf8') };
  const self = { cert: foreign.pem, key: readFileSync(foreign.keyFile, 'utf8') };
  const cut = below.issue('ci.example.org');
  cut.cert = cut.cert.slice(0, cut.cert.indexOf('-----END')) + '-----END CERTIFICATE-----\n';
  const cases = [
    ['another CA', foreign.issue('ci.example.org'), /not signed by a CA of \[tls\] client_ca, but by CN = clients/],
    ['expired', ci(agent, { from: Date.now() - 3 * day, to: Date.now() - day }), /expired at 20\d\d-.*renew it/],
    ['not yet valid', ci(agent, { from: Date.now() + day, to: Date.now() + 3 * day }), /not valid before 20/],
    ['not listed', identity(agent, 'cd.example.org'), /no \[\[client\]\] .* dns:cd\.example\.org/],
    ['a wildcard', identity(agent, 'x', { sans: ['DNS:*.example.org'] }), /no alternative name by which a client can be known/],
    ['a common name alone', identity(agent, 'ci.example.org', { sans: [] }), /carries no subject alternative name/],
    ['a server certificate', ci(agent, { usage: 'serverAuth' }), /extendedKeyUsage has to allow clientAuth/],
    ["the agent's own certificate", server, /not signed by a CA/],
    ['signed by itself', self, /carries no subject|not signed by a CA/],
    ['two names that may do different things', identity(agent, 'x', { sans: ['DNS:ci.example.org', 'email:anna@example.org'] }), /two \[\[client\]\]/],
    ['the CA between is missing', cut, /not signed by a CA.*CN = below.*send its certificate along/],
    ['many names', identity(agent, 'x', { sans: [...Array(65).keys()].map((n) => `DNS:n${n}.example.org`) }), /more than 64/],
  ];
  for (const [what, shown, detail] of cases) {
    const client = agent.as(null, shown);
    const { status, body, headers } = await client.get('/v1/services');
    assert.equal(status, 401, what);
    assert.match(body.detail, detail, what);
    assert.match(headers['www-authenticate'], /^Bearer realm=/, what);
    assert.equal((await client.get('/healthz')).status, 200, `${what}: the open routes stay open`);
  }
  const nobody = await agent.as(null).get('/v1/services');
  assert.equal(nobody.status, 401);
  assert.match(nobody.body.detail, /needs a token, and none was sent/);
  const { body } = await agent.api.get('/v1/audit?event=denied&limit=1000');
  assert.ok(body.items.some((row) => /not signed by a CA/.test(row.detail)), 'the trail has it');
});

scenario('A certificate below a CA that the client sends along is known, also in a resumed session', async (agent) => {
  const below = new Authority(`${agent.dir}/below`, { name: 'below', signedBy: agent.clients_ca });
  const shown = below.issue('ci.example.org');
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const first = await askOnce(agent, shown, version);
    assert.deepEqual([first.status, first.reused], [200, false], version);
    const second = await askOnce(agent, { session: first.session }, version);
    assert.deepEqual([second.status, second.reused, second.body.credential.name], [200, true, 'cert:dns:ci.example.org'], version);
    const third = await askOnce(agent, { session: second.session ?? first.session }, version);
    assert.deepEqual([third.status, third.reused], [200, true], version);
  }
});

scenario('The Authorization header decides alone where there is one', async (agent) => {
  const shown = ci(agent);
  const viewer = agent.as(await agent.token('looker', '--role', 'viewer'), shown);
  assert.equal((await viewer.get('/v1/agent')).body.credential.name, 'token:looker');
  assert.equal((await restart(viewer, 'leaf')).status, 403, 'the certificate lends nothing to the token');
  for (const token of ['nf_' + 'A'.repeat(43), 'x y', 'z']) {
    assert.equal((await agent.as(token, shown).get('/v1/agent')).status, 401, token);
  }
  const { status } = await agent.as(null, shown).get('/v1/agent', { headers: { authorization: '' } });
  assert.equal(status, 401, 'an empty header is a header');
  const bad = agent.as(await agent.token('other', '--role', 'viewer'), new Authority(`${agent.dir}/foreign`).issue('ci.example.org'));
  assert.equal((await bad.get('/v1/agent')).status, 200, 'nor does a bad certificate take anything from it');
});

scenario('A narrowed certificate reaches its services and actions and nothing else', async (agent) => {
  await agent.untilRunning('leaf', 'smtpsvc');
  const client = agent.as(null, narrow(agent));
  assert.equal((await restart(client, 'smtpsvc')).body.requested_by, 'cert:uri:spiffe://example.org/narrow');
  assert.equal((await client.request('POST', '/v1/services/smtpsvc/stop', json)).status, 403);
  assert.ok([403, 404].includes((await restart(client, 'leaf')).status));
  assert.deepEqual((await client.get('/v1/services')).body.items.map((s) => s.name), ['smtpsvc']);
  assert.equal((await client.get('/v1/services/leaf')).status, 404);
});

scenario('A page of another site changes nothing with the certificate of its visitor', async (agent) => {
  await agent.untilRunning('leaf', 'smtpsvc');
  const client = agent.as(null, ci(agent));
  assert.equal((await restart(client, 'leaf', {})).status, 415, 'no type, as a form without a body');
  assert.equal((await restart(client, 'leaf', { headers: { 'content-type': 'text/plain' } })).status, 415);
  for (const site of ['cross-site', 'same-site', 'none']) {
    const { status, body } = await restart(client, 'leaf', { headers: { ...json.headers, 'sec-fetch-site': site } });
    assert.equal(status, 403, site);
    assert.match(body.detail, /another site/, site);
  }
  const own = await restart(client, 'leaf', { headers: { ...json.headers, 'sec-fetch-site': 'same-origin' } });
  assert.equal(own.status, 200);
  const token = agent.as(await agent.token('ops', '--role', 'operator'), ci(agent));
  assert.equal((await restart(token, 'leaf', {})).status, 200, 'a token is never sent by itself');
});

scenario('A resumed session is who began it, and a ticket carries over to nobody', async (agent) => {
  const [one, other] = [ci(agent), identity(agent, 'anna', { sans: ['email:anna@example.org'] })];
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const first = await askOnce(agent, one, version);
    assert.equal(first.body.credential.name, 'cert:dns:ci.example.org', version);
    const again = await askOnce(agent, { ...one, session: first.session }, version);
    assert.deepEqual([again.reused, again.body.credential.name], [true, 'cert:dns:ci.example.org'], version);
    // Whoever holds the session's secret is the one who began it, whatever else is in the hand.
    const mixed = await askOnce(agent, { ...other, session: first.session }, version);
    assert.equal(mixed.body.credential.name, mixed.reused ? 'cert:dns:ci.example.org' : 'cert:email:anna@example.org', version);
    const anna = await askOnce(agent, other, version);
    assert.deepEqual([anna.reused, anna.body.credential.name], [false, 'cert:email:anna@example.org'], version);
    const nobody = await askOnce(agent, {}, version);
    const still = await askOnce(agent, { ...one, session: nobody.session }, version);
    assert.deepEqual(still.reused ? [401] : [200], [still.status], `${version}: a session without a certificate stays without`);
  }
});

scenario('A client that is taken out is nobody at once, on its connection, stream and session too', async (agent) => {
  await agent.untilRunning('leaf', 'smtpsvc');
  const shown = ci(agent);
  const client = agent.as(null, shown);
  client.pool.maxSockets = 1;
  const before = await askOnce(agent, shown);
  assert.equal((await client.get('/v1/agent')).status, 200);
  const stream = await EventStream.open(client);
  const text = readFileSync(agent.settings, 'utf8');
  rewrite(agent, (all) => all.replace('dns:CI.example.org', 'dns:cd.example.org'));
  await reload(agent);
  const { status, body } = await client.get('/v1/agent');
  assert.equal(status, 401);
  assert.match(body.detail, /no \[\[client\]\] of the settings lists what it carries: dns:ci\.example\.org/);
  assert.equal((await askOnce(agent, { ...shown, session: before.session })).status, 401);
  await assert.rejects(stream.until(() => false, 'never', 30), /ended/);
  writeFileSync(agent.settings, text);
  await reload(agent);
  assert.equal((await client.get('/v1/agent')).status, 200);
  rewrite(agent, (all) => all.replace(/role = "operator"/, 'role = "viewer"'));
  await reload(agent);
  assert.equal((await client.get('/v1/agent')).body.credential.role, 'viewer', 'what it may do is what the settings say now');
});

scenario('With another CA the certificates of the old one are nothing, and those of a CA that stays go on', async (agent) => {
  const next = new Authority(`${agent.dir}/next`, { name: 'next' });
  const [old, fresh] = [ci(agent), next.issue('ci.example.org')];
  const client = agent.as(null, old);
  client.pool.maxSockets = 1;
  const session = (await askOnce(agent, old)).session;
  assert.equal((await client.get('/v1/agent')).status, 200);
  writeFileSync(agent.trusted, agent.clients_ca.pem + next.pem);
  await reload(agent);
  assert.equal((await client.get('/v1/agent')).status, 200, 'the old CA still counts');
  assert.equal((await askOnce(agent, fresh)).status, 200);
  writeFileSync(agent.trusted, next.pem);
  await reload(agent);
  const { status, body } = await client.get('/v1/agent');
  assert.equal(status, 401);
  assert.match(body.detail, /not signed by a CA/);
  assert.equal((await askOnce(agent, { ...old, session })).status, 401);
  assert.equal((await askOnce(agent, fresh)).status, 200);
});

scenario('A revoked certificate is nothing from the reload on', async (agent) => {
  const [lost, kept] = [ci(agent), ci(agent)];
  const client = agent.as(null, lost);
  assert.equal((await client.get('/v1/agent')).status, 200);
  writeFileSync(agent.trusted, agent.clients_ca.pem + agent.clients_ca.revoke(lost));
  await reload(agent);
  const { status, body } = await client.get('/v1/agent');
  assert.equal(status, 401);
  assert.match(body.detail, /was revoked by its CA/);
  assert.equal((await agent.as(null, kept).get('/v1/agent')).status, 200);
});

scenario('A certificate that ends ends its connections and streams', async (agent) => {
  const until = Math.ceil(Date.now() / 1000) * 1000 + seconds(6);
  const shown = ci(agent, { to: until });
  const client = agent.as(null, shown);
  client.pool.maxSockets = 1;
  assert.equal((await client.get('/v1/agent')).status, 200);
  const stream = await EventStream.open(client);
  const { session } = await askOnce(agent, shown);
  await sleep(until - Date.now());
  const { status, body } = await client.get('/v1/agent');
  assert.equal(status, 401);
  assert.match(body.detail, /expired at/);
  assert.equal((await askOnce(agent, { ...shown, session })).status, 401);
  await assert.rejects(stream.until(() => false, 'never', 30), /ended/);
});

scenario('A broken client CA is refused with a sentence and changes nothing', async (agent) => {
  const client = agent.as(null, ci(agent));
  const refusals = [
    ['', /there is no certificate in it/],
    ['not PEM', /there is no certificate in it|not PEM/],
    [ci(agent).cert, /a certificate that is no CA/],
    [agent.clients_ca.pem + readFileSync(agent.clients_ca.keyFile, 'utf8'), /private key/],
    [readFileSync(`${agent.state}/tls/ca.pem`, 'utf8'), /the agent's own CA, which signs servers only/],
  ];
  for (const [content, sentence] of refusals) {
    writeFileSync(agent.trusted, content);
    await assert.rejects(reload(agent), (error) => sentence.test(error.stderr), String(sentence));
    assert.equal((await client.get('/v1/agent')).status, 200);
  }
});
