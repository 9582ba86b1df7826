// What openssl's client, and bytes that it would not send, can and cannot get out of the agent's TLS.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Raw, clientHello, isAlive, scenarios, within } from '../harness/index.mjs';
import { client, each, openssl, outcome } from './openssl.mjs';

const scenario = scenarios(import.meta.url);
const anything = 'ALL:COMPLEMENTOFALL:eNULL:aNULL:@SECLEVEL=0';
const request = (agent, target = '/v1/agent', ...fields) =>
  [`GET ${target} HTTP/1.1`, 'Host: localhost', `Authorization: Bearer ${agent.api.token}`, 'Connection: close', ...fields].join('\r\n') + '\r\n\r\n';

async function assertStillWell(agent) {
  assert.ok(isAlive(agent.child.pid) && agent.isRunning, 'the agent lives');
  assert.equal((await within(5, 'a status request is answered', agent.api.get('/v1/services/base'))).status, 200);
}

// What is said with TLS alerts only (or not at all) has not been spoken.
async function assertSentAway(agent, bytes, what) {
  const raw = await Raw.tcp(agent);
  try {
    raw.send(bytes);
    await raw.closed(20);
    assert.ok(raw.received.length === 0 || raw.received[0] === 0x15, `${what}: ${raw.received.toString('hex').slice(0, 80)}`);
  } finally {
    raw.destroy();
  }
}

scenario('TLS 1.2 and 1.3 are spoken; SSL 3, TLS 1.0 and 1.1 are not', async (agent) => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { text } = await client(agent, [version]);
    assert.match(text, /Verify return code: 0 \(ok\)/, version);
    assert.match(text, version === '-tls1_2' ? /^New, TLSv1\.2, /m : /^New, TLSv1\.3, /m);
  }
  for (const version of ['-tls1', '-tls1_1']) {
    const { text, code } = await client(agent, [version, '-cipher', anything]);
    assert.match(text, /alert protocol version/, `${version} is offered and refused`);
    assert.notEqual(code, 0);
  }
  // Nobody's client speaks SSL 3 any more: a hello of TLS 1.0, with its number put back.
  const old = Buffer.from(await clientHello({ minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }));
  await assertSentAway(agent, old, 'TLS 1.0');
  old[2] = 0; // the record's
  old[10] = 0; // the hello's
  await assertSentAway(agent, old, 'SSL 3');
  await assertStillWell(agent);
});

// Every cipher of this client, one by one.
async function takenCiphers(agent, options) {
  const names = (await openssl('ciphers', anything)).stdout.trim().split(':').filter((name) => !name.startsWith('TLS_'));
  const results = await each(names, async (name) => outcome(await client(agent, ['-tls1_2', '-cipher', `${name}:@SECLEVEL=0`], options)));
  return { taken: names.filter((_, i) => results[i] === true).sort(), offered: names.filter((_, i) => results[i] !== null) };
}

const weak = /NULL|EXP|RC4|DES|CBC|MD5|ADH|AECDH|^AES|^CAMELLIA|^ARIA|-SHA$/;

scenario('Of all ciphers, only those with forward secrecy and authenticated encryption are taken', async (agent) => {
  const { taken, offered } = await takenCiphers(agent);
  assert.deepEqual(taken, ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305']);
  assert.ok(offered.length >= 60, `this client could offer ${offered.length} ciphers`);
  assert.ok(offered.filter((name) => weak.test(name)).length >= 30, `weak ones among them: ${offered.filter((name) => weak.test(name))}`);

  const suites = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256', 'TLS_AES_128_CCM_SHA256', 'TLS_AES_128_CCM_8_SHA256'];
  const results = await each(suites, async (suite) => outcome(await client(agent, ['-tls1_3', '-ciphersuites', suite])));
  assert.deepEqual(results, [true, true, true, false, false]);
  await assertStillWell(agent);
});

scenario('Keys are agreed on with X25519, P-256 and P-384, and nothing weaker', async (agent) => {
  const groups = ['X25519', 'P-256', 'P-384', 'P-521', 'X448', 'secp256k1', 'secp224r1', 'prime192v1', 'sect163k1', 'brainpoolP256r1', 'ffdhe2048', 'ffdhe3072'];
  const results = await each(groups, async (group) => outcome(await client(agent, ['-tls1_3', '-groups', group])));
  assert.deepEqual(groups.filter((_, i) => results[i] === true), ['X25519', 'P-256', 'P-384']);
  assert.ok(results.filter((taken) => taken === false).length >= 4, `refused: ${results}`);
  // In TLS 1.2 the client has to know the certificate's curve as well.
  for (const [group, key] of [['X25519', 'X25519'], ['P-384', 'prime256v1'], ['P-521', 'prime256v1'], ['X448', 'prime256v1'], ['secp224r1', 'prime256v1'], ['sect163k1', 'prime256v1']]) {
    const { text } = await client(agent, ['-tls1_2', '-groups', `${group}:P-256`, '-cipher', anything]);
    if (outcome({ text }) !== null) assert.match(text, new RegExp(`Server Temp Key: (ECDH, )?${key}`), group);
  }
  for (const scheme of ['ECDSA+SHA1', 'ECDSA+SHA224', 'RSA+SHA1', 'RSA+MD5']) {
    assert.notEqual(outcome(await client(agent, ['-tls1_2', '-sigalgs', scheme, '-cipher', anything])), true, `signed with ${scheme}`);
  }
  await assertStillWell(agent);
});

scenario('Nothing is compressed: neither TLS nor what is sent in it', async (agent) => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { text } = await client(agent, [version, '-comp'], { say: request(agent, '/v1/services', 'Accept-Encoding: gzip, deflate, br, zstd') });
    assert.match(text, /^Compression: NONE$/m);
    assert.match(text, /HTTP\/1\.1 200 OK/);
    assert.doesNotMatch(text, /content-encoding/i);
  }
});

scenario('A client cannot renegotiate, and the agent says that it knows of the danger', async (agent) => {
  const { text } = await client(agent, ['-tls1_2'], { type: 'R\n' });
  assert.match(text, /Secure Renegotiation IS supported/);
  assert.match(text, /Extended master secret: yes/);
  assert.match(text, /^RENEGOTIATING$/m);
  assert.match(text, /no renegotiation/i);
  const handshakes = text.match(/^depth=0 /gm) ?? [];
  assert.equal(handshakes.length, 1, `one handshake:\n${text}`);
  await assertStillWell(agent);
});

scenario('There is no heartbeat', async (agent) => {
  const { text } = await client(agent, ['-tls1_2', '-tlsextdebug']);
  assert.match(text, /TLS server extension/);
  assert.doesNotMatch(text, /heartbeat/i);
  // As Heartbleed did: in the handshake, with a length that is a lie.
  const raw = await Raw.tcp(agent);
  try {
    raw.send(await clientHello({ maxVersion: 'TLSv1.2' }));
    await raw.until(() => (raw.received.length > 0 ? true : undefined), 10, 'the agent answers the hello');
    const before = raw.received.length;
    raw.send('\x18\x03\x02\x00\x03\x01\x40\x00');
    await raw.closed(20);
    assert.ok(raw.received.length - before < 4096, `${raw.received.length - before} bytes came after it`);
    assert.ok(!raw.received.includes('\x18\x03'), 'no heartbeat came back');
  } finally {
    raw.destroy();
  }
  await assertStillWell(agent);
});

scenario('A session is resumed by its ticket, and nothing is sent before its handshake', async (agent) => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const file = `${agent.dir}/session${version}`;
    const first = await client(agent, [version, '-sess_out', file], { say: request(agent) });
    assert.match(first.text, /^New, TLSv1/m);
    assert.match(first.text, /HTTP\/1\.1 200 OK/);
    const again = await client(agent, [version, '-sess_in', file], { say: request(agent) });
    assert.match(again.text, /^Reused, TLSv1/m, version);
    assert.match(again.text, /HTTP\/1\.1 200 OK/);
  }
  const early = `${agent.dir}/early`;
  writeFileSync(early, request(agent, '/v1/hold'));
  const { text } = await client(agent, ['-tls1_3', '-sess_in', `${agent.dir}/session-tls1_3`, '-early_data', early], { say: request(agent) });
  assert.match(text, /Early data was (not sent|rejected)/);
  assert.match(text, /Max Early Data: 0/);
  await assertStillWell(agent);
});

scenario('A ticket of another agent is worth nothing, and does no harm', async (agent) => {
  const file = `${agent.dir}/session`;
  await client(agent, ['-tls1_2', '-sess_out', file], { say: request(agent) });
  await agent.end();
  await agent.serve();
  const { text } = await client(agent, ['-tls1_2', '-sess_in', file], { say: request(agent) });
  assert.match(text, /^New, TLSv1\.2/m, 'the keys of tickets end with the process');
  assert.match(text, /HTTP\/1\.1 200 OK/);
});

scenario('HTTP/1.1 is the only protocol', async (agent) => {
  assert.match((await client(agent, ['-alpn', 'h2,http/1.1'])).text, /ALPN protocol: http\/1\.1/);
  assert.match((await client(agent, [])).text, /No ALPN negotiated/);
  for (const others of ['h2', 'http/1.0', 'ftp,smtp', 'x'.repeat(255)]) {
    assert.match((await client(agent, ['-alpn', others])).text, /alert no application protocol/, others);
  }
  await assertStillWell(agent);
});

scenario('Any server name may be asked for, or none', async (agent) => {
  for (const name of ['localhost', 'evil.example', 'LOCALHOST', 'localhost.', '127.0.0.1', '..', 'a'.repeat(255), '%0d%0a', "';--", '../../etc/passwd', 'caf\u00e9']) {
    const { text } = await client(agent, ['-servername', name]);
    assert.equal(outcome({ text }), true, `${name}:\n${text.slice(0, 800)}`);
  }
  assert.equal(outcome(await client(agent, ['-noservername'])), true);
  // What no client would send: the name's bytes and its length, spoiled.
  const hello = await clientHello({ servername: 'localhost' });
  const at = hello.indexOf('localhost');
  for (const spoil of [(b) => b.fill(0, at, at + 9), (b) => b.fill(0xff, at, at + 9), (b) => b.writeUInt16BE(0, at - 2), (b) => b.writeUInt16BE(0xffff, at - 2), (b) => b.writeUInt8(7, at - 3)]) {
    const spoiled = Buffer.from(hello);
    spoil(spoiled);
    const raw = await Raw.tcp(agent);
    raw.send(spoiled);
    await raw.until(() => (raw.ended || raw.received.length > 0 ? true : undefined), 20, 'the agent answers or closes');
    raw.destroy();
  }
  await assertStillWell(agent);
});

scenario('A downgrade is noticed', async (agent) => {
  assert.match((await client(agent, ['-tls1_2', '-fallback_scsv'])).text, /alert inappropriate fallback/);
  assert.equal(outcome(await client(agent, ['-tls1_3', '-fallback_scsv'])), true);
});

scenario('The end is said, and no browser is told to use HTTPS for the whole host', async (agent) => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { text } = await client(agent, [version, '-msg'], { say: request(agent) });
    assert.match(text, /HTTP\/1\.1 200 OK/);
    assert.match(text, /<<< .*Alert.*\n(?:.*\n)?.*warning close_notify|<<< .*warning close_notify/, `${version}: close_notify`);
    // docs/security.md says why not.
    assert.doesNotMatch(text, /strict-transport-security/i);
    assert.doesNotMatch(text, /^server:/im);
  }
});

scenario('The whole chain is sent, and an RSA key gets no weaker ciphers', async (agent) => {
  const pki = `${agent.dir}/pki`;
  mkdirSync(pki);
  const request = (name, bits) => openssl('req', '-newkey', `rsa:${bits}`, '-nodes', '-keyout', `${pki}/${name}.key`, '-out', `${pki}/${name}.csr`, '-subj', `/CN=${name}`);
  const sign = (name, by, extension) => {
    writeFileSync(`${pki}/${name}.ext`, extension);
    return openssl('x509', '-req', '-in', `${pki}/${name}.csr`, '-CA', `${pki}/${by}.pem`, '-CAkey', `${pki}/${by}.key`, '-CAcreateserial', '-days', '30', '-extfile', `${pki}/${name}.ext`, '-out', `${pki}/${name}.pem`);
  };
  await openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${pki}/root.key`, '-out', `${pki}/root.pem`, '-subj', '/CN=root', '-days', '30');
  await request('middle', 2048);
  await sign('middle', 'root', 'basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\n');
  await request('server', 2048);
  await sign('server', 'middle', 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
  writeFileSync(`${pki}/chain.pem`, readFileSync(`${pki}/server.pem`, 'utf8') + readFileSync(`${pki}/middle.pem`, 'utf8'));

  await agent.end();
  writeFileSync(agent.settings, `${readFileSync(agent.settings, 'utf8')}\n[tls]\ncertificate = "${pki}/chain.pem"\nkey = "${pki}/server.key"\n`);
  const ended = agent.launch();
  agent.address = await Promise.race([agent.addressFile(), ended]);
  const options = { ca: `${pki}/root.pem` };

  const { text } = await client(agent, ['-showcerts', '-verify_return_error'], options);
  assert.match(text, /Verify return code: 0 \(ok\)/, 'with the root alone');
  assert.equal(text.match(/-----BEGIN CERTIFICATE-----/g).length, 2, 'the server\'s and the one between');

  const { taken, offered } = await takenCiphers(agent, options);
  assert.deepEqual(taken, ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305']);
  for (const name of ['AES128-GCM-SHA256', 'AES256-SHA', 'ECDHE-RSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256', 'ADH-AES128-SHA', 'NULL-SHA256']) {
    assert.ok(offered.includes(name), `${name} was offered, and refused`);
  }
});
