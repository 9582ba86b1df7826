// What each published advisory about cpp-httplib as a server does to it, done to the agent.
// docs/security.md has the same numbers, and says why none of them bites.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';

const host = 'Host: localhost';
const json = 'Content-Type: application/json';
const head = (line, ...fields) => `${[line, ...fields].join('\r\n')}\r\n\r\n`;

// Both answers in one: the status, and that nothing is answered after it.
async function assertOnly(raw, status) {
  const answer = await raw.answer();
  assert.equal(answer?.status, status, answer?.text);
  assert.equal(await raw.answer(), null, 'the connection is closed, and nothing more is answered');
  return answer;
}

// Until it is all sent, or the agent has had enough.
async function flood(raw, piece, total) {
  for (let sent = 0; sent < total && !raw.ended; sent += piece.length) {
    raw.send(piece);
    if (raw.socket.writableLength > 1 << 20) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function assertNotInjected(raw, status) {
  const answer = await raw.answer();
  assert.equal(answer?.status, status, answer?.text);
  assert.doesNotMatch(answer.head, /injected/i, 'what was sent is no header of the answer');
  return answer;
}

// The audit trail names the address that the connection came from, whatever the request says.
async function assertAudited({ agent, connect }, from, ...fields) {
  const raw = await connect({ from });
  raw.send(head('GET /v1/agent HTTP/1.1', host, 'Authorization: Bearer none', ...fields));
  assert.equal((await raw.answer())?.status, 401);
  const rows = (await agent.api.get('/v1/audit?limit=1000')).body.items.filter((row) => row.event === 'denied');
  assert.ok(rows.some((row) => row.address === from), `no row from ${from}: ${JSON.stringify(rows)}`);
  assert.ok(!rows.some((row) => /10\.66\.66\.66/.test(JSON.stringify(row))), 'an invented address is in the audit trail');
}

export const serverSide = [
  {
    number: 'CVE-2020-11709',
    what: 'CR LF in what is reflected into a header',
    play: async ({ connect, auth }) => {
      const raw = await connect();
      raw.send(head('POST /v1/services/base/restart?dry_run=1&reason=a%0d%0aInjected:%201 HTTP/1.1', host, auth, 'Content-Length: 0'));
      await assertNotInjected(raw, 200);
      raw.send(head('GET /v1/services/%0d%0aInjected:%201 HTTP/1.1', host, auth));
      await assertNotInjected(raw, 404);
    },
  },
  {
    number: 'CVE-2025-0825',
    what: 'CR LF behind a NUL',
    play: async ({ connect, auth }) => {
      for (const value of ['a\0\r\nInjected: 1', '\0\r\nInjected: 1', 'a\0b']) {
        const raw = await connect();
        raw.send(head('GET /v1/agent HTTP/1.1', host, auth, `X: ${value}`));
        await assertNotInjected(raw, 400);
      }
    },
  },
  {
    number: 'CVE-2025-46728',
    what: 'a body in chunks, or of no length, that never ends',
    play: async ({ connect, auth }) => {
      const chunked = await connect();
      chunked.send(head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Transfer-Encoding: chunked'));
      await assertOnly(chunked, 501);
      await flood(chunked, `10000\r\n${'a'.repeat(65536)}\r\n`, 16 << 20);
      const endless = await connect();
      endless.send(head('POST /v1/jobs HTTP/1.1', host, auth, json));
      assert.equal((await endless.answer())?.status, 422);
      await flood(endless, 'a'.repeat(65536), 16 << 20);
      await endless.closed();
    },
  },
  {
    number: 'CVE-2025-52887',
    what: 'header fields without end, and again on other connections',
    play: async ({ connect, auth }) => {
      for (let i = 0; i < 50; i += 1) {
        const raw = await connect();
        raw.send(`GET /v1/agent HTTP/1.1\r\n${host}\r\n${auth}\r\n`);
        raw.send('A: b\r\n'.repeat(20000));
        await raw.closed();
      }
    },
  },
  {
    number: 'CVE-2025-53628',
    what: 'a line without end',
    play: async ({ connect }) => {
      for (const begin of ['GET /', `GET /healthz HTTP/1.1\r\n${host}\r\nX: `, '']) {
        const raw = await connect();
        raw.send(begin);
        await flood(raw, 'a'.repeat(65536), 16 << 20);
        await raw.closed();
      }
    },
  },
  {
    number: 'CVE-2025-53629',
    what: 'trailers that become header fields',
    play: async ({ connect, auth }) => {
      const raw = await connect();
      raw.send(`${head('POST /v1/jobs HTTP/1.1', host, json, 'Transfer-Encoding: chunked', 'Trailer: Authorization')}2\r\n{}\r\n0\r\n${auth}\r\n\r\n`);
      await assertOnly(raw, 501);
    },
  },
  {
    number: 'CVE-2025-66570',
    what: 'the library\'s own names for the address, as fields',
    play: (t) => assertAudited(t, '127.66.0.1', 'REMOTE_ADDR: 10.66.66.66', 'REMOTE_PORT: 1', 'LOCAL_ADDR: 10.66.66.66', 'LOCAL_PORT: 1'),
  },
  {
    number: 'CVE-2025-66577',
    what: 'an address that a proxy is said to have seen',
    play: (t) => assertAudited(t, '127.66.0.2', 'X-Forwarded-For: 10.66.66.66', 'X-Real-IP: 10.66.66.66', 'Forwarded: for=10.66.66.66'),
  },
  {
    number: 'CVE-2026-21428',
    what: 'CR LF in a field\'s name and value',
    play: async ({ connect, auth }) => {
      for (const field of ['X\r\nInjected: 1\r\n\r\n: a', 'X: a\rInjected: 1', 'X: a\nInjected: 1', 'X\n: a']) {
        const raw = await connect();
        raw.send(head('GET /v1/agent HTTP/1.1', host, auth, field));
        const answer = await raw.answer();
        assert.ok(answer.status === 400 || answer.status === 200, answer.text); // the first is a whole request
        assert.doesNotMatch(answer.head, /injected/i);
      }
    },
  },
  {
    number: 'CVE-2026-22776',
    what: 'a body that grows a thousandfold when it is unpacked',
    play: async ({ connect, auth }) => {
      const bomb = gzipSync(Buffer.alloc(50 << 20)).toString('latin1');
      const raw = await connect();
      raw.send(head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Content-Encoding: gzip', `Content-Length: ${bomb.length}`) + bomb);
      await assertOnly(raw, 415);
    },
  },
  {
    number: 'CVE-2026-28434',
    what: 'what an exception says, in a header',
    play: async ({ connect, auth }) => {
      // Each of these makes the JSON library throw.
      for (const body of ['{"deadline_s":1e999}', '{"reason":"\xff"}', '[['.repeat(5000), '{']) {
        const raw = await connect();
        raw.send(head('POST /v1/jobs HTTP/1.1', host, auth, json, `Content-Length: ${body.length}`) + body);
        const answer = await raw.answer();
        assert.equal(answer?.status, 422);
        assert.doesNotMatch(answer.head + answer.text, /exception|what\(|json\.|std::/i);
      }
    },
  },
  {
    number: 'CVE-2026-28435',
    what: 'a limit that only what is packed has to keep',
    play: async ({ connect, auth }) => {
      const packed = gzipSync(JSON.stringify({ reason: 'a'.repeat(1 << 20) })).toString('latin1');
      for (const coding of ['gzip', 'deflate', 'br', 'zstd', 'identity, gzip']) {
        const raw = await connect();
        raw.send(head('POST /v1/jobs HTTP/1.1', host, auth, json, `Content-Encoding: ${coding}`, `Content-Length: ${packed.length}`) + packed);
        await assertOnly(raw, 415);
      }
    },
  },
  {
    number: 'CVE-2026-29076',
    what: 'a file name that overflows a regular expression\'s stack',
    play: async ({ connect, auth }) => {
      const form = `--x\r\nContent-Disposition: form-data; name="f"; filename*=UTF-8''${'A'.repeat(60000)}\r\n\r\nx\r\n--x--\r\n`;
      const raw = await connect();
      raw.send(head('POST /v1/jobs HTTP/1.1', host, auth, 'Content-Type: multipart/form-data; boundary=x', `Content-Length: ${form.length}`) + form);
      await assertOnly(raw, 415);
    },
  },
  {
    number: 'CVE-2026-34441',
    what: 'a request in the body of a GET',
    play: async ({ connect, auth }) => {
      const inner = head('PUT /v1/hold?on=1 HTTP/1.1', host, auth);
      for (const [target, status] of [['/openapi.yaml', 422], ['/healthz', 422], ['/v1/services', 422], ['/nowhere', 404]]) {
        const raw = await connect();
        raw.send(head(`GET ${target} HTTP/1.1`, host, auth, `Content-Length: ${inner.length}`, 'Connection: close') + inner);
        await assertOnly(raw, status);
      }
    },
    after: async ({ agent }) => assert.equal((await agent.api.get('/v1/hold')).body.on, false, 'the inner request was not carried out'),
  },
  {
    number: 'CVE-2026-45352',
    what: 'a chunk of the size -2',
    play: async ({ connect, auth }) => {
      for (const size of ['-2', '-1', '-7fffffffffffffff', 'fffffffffffffffe', '+2', '0x2', ' 2']) {
        const raw = await connect();
        raw.send(`${head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Transfer-Encoding: chunked')}${size}\r\n{}\r\n`);
        await assertOnly(raw, 501);
        await flood(raw, 'a'.repeat(65536), 8 << 20);
      }
    },
  },
  {
    number: 'CVE-2026-45372',
    what: 'a field\'s value, percent-decoded',
    play: async ({ connect, auth }) => {
      for (const name of ['X', 'Accept', 'Idempotency-Key', 'Last-Event-ID', 'Prefer', 'If-None-Match', 'Authorization', 'Content-Type']) {
        const raw = await connect();
        raw.send(head('GET /v1/agent HTTP/1.1', host, ...(name === 'Authorization' ? [] : [auth]), `${name}: a%0D%0AInjected:%201`));
        await assertNotInjected(raw, 400);
      }
      // Where no line break hides in it, an escape is three characters and no more.
      const raw = await connect();
      raw.send(head('GET /v1/agent HTTP/1.1', host, auth.replace('nf_', 'n%66_')));
      await assertNotInjected(raw, 401);
    },
  },
  {
    number: 'CVE-2026-46527',
    what: 'an X-Forwarded-For with no address in it',
    play: async ({ connect, auth }) => {
      for (const value of ['', ' ', ',', ',,,', ' , ', '\t', ',\t,']) {
        const raw = await connect();
        raw.send(head('GET /v1/agent HTTP/1.1', host, auth, `X-Forwarded-For: ${value}`));
        await assertNotInjected(raw, 200);
      }
    },
  },
  {
    number: 'CVE-2026-77341',
    what: 'trailers of a chunked answer',
    play: async ({ connect, auth, agent }) => {
      const raw = await connect();
      raw.send(head('GET /v1/events HTTP/1.1', host, auth, 'TE: trailers', 'Trailer: X'));
      const answer = await raw.answer();
      assert.equal(answer?.headers['transfer-encoding'], 'chunked');
      assert.equal(answer.headers.trailer, undefined, 'none are announced');
      // What comes from outside and ends up in a chunk stays inside of it.
      await agent.done('restart', 'base', { reason: '\r\n0\r\nInjected: 1\r\n\r\n' });
      const seen = () => (raw.received.includes('"state":"done"') ? true : undefined);
      await raw.until(seen, 10, 'the job is seen in the stream');
      assert.doesNotMatch(raw.received.toString('latin1'), /^(0|Injected.*)\r$/m);
    },
  },
];
