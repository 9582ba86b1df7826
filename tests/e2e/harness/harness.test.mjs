// The harness is believed by all cases: here is what it has to notice.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Contract } from './contract.mjs';
import { EventStream } from './event_stream.mjs';
import { Life } from './life.mjs';
import { askOnce } from './lines.mjs';
import { isAlive, processesOf } from './processes.mjs';
import { fillIn } from './settings.mjs';

const contract = new Contract({
  openapi: '3.1.0',
  paths: {
    '/v1/jobs/{id}': {
      get: {
        responses: {
          200: {
            headers: { ETag: { required: true } },
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Job' } }, 'text/plain': {} },
          },
          304: {},
          '4XX': { $ref: '#/components/responses/Problem' },
        },
      },
    },
    '/v1/jobs/latest': { get: { responses: { 204: {} } } },
  },
  components: {
    schemas: {
      Job: { type: 'object', required: ['id', 'down'], properties: { id: { type: 'string' }, down: { type: ['array', 'null'] } } },
      Gap: { type: 'object' },
      Problem: { type: 'object', required: ['code'], properties: { code: { enum: ['not_found'] } } },
    },
    responses: { Problem: { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } } },
  },
});

const answer = (changes) => ({
  method: 'GET', path: '/v1/jobs/01K?wait=3', status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8', etag: '"1"' },
  body: { id: '01K', down: null }, text: '{}', ...changes,
});
const problem = { 'content-type': 'application/problem+json' };

test('The contract accepts what it documents', () => {
  contract.checkAnswer(answer());
  contract.checkAnswer(answer({ headers: { 'content-type': 'text/plain', etag: '"1"' }, body: undefined, text: 'done' }));
  contract.checkAnswer(answer({ status: 304, headers: {}, body: undefined, text: '' }));
  contract.checkAnswer(answer({ status: 404, headers: problem, body: { code: 'not_found' } }));
  contract.checkAnswer(answer({ path: '/v1/jobs/latest', status: 204, headers: {}, body: undefined, text: '' }));
  contract.checkSchema('Job', { id: 'a', down: [] });
});

test('The contract notices each way in which an answer can differ', () => {
  const wrong = {
    'a missing field': { body: { id: '01K' } },
    'a wrong type': { body: { id: 7, down: null } },
    'a missing header': { headers: { 'content-type': 'application/json' } },
    'another content type': { headers: { 'content-type': 'text/html', etag: '"1"' } },
    'an undocumented status': { status: 202 },
    'an undocumented method': { method: 'POST' },
    'an undocumented path': { path: '/v2/jobs' },
    'a body where there is none': { status: 304, headers: {}, text: 'x' },
    'an unknown problem': { status: 404, headers: problem, body: { code: 'oops' } },
  };
  for (const [what, changes] of Object.entries(wrong)) assert.throws(() => contract.checkAnswer(answer(changes)), /openapi\.yaml|is promised and missing|is not one of/, what);
  assert.throws(() => contract.checkSchema('Job', {}), /contradicts openapi\.yaml/);
});

test('The event stream understands fields in pieces, comments and many lines of data', () => {
  const stream = new EventStream({ contract });
  for (const block of [': beat', 'retry: 100', 'id: e-1\nevent: job\ndata: {"id":"a",\ndata: "down":[]}', 'id: e-9', 'event: gap\ndata: {}', 'id:e-2\nevent:job\ndata:{"id":1}']) stream.take(block);
  assert.equal(stream.comments, 1);
  assert.equal(stream.lastId, 'e-2');
  assert.deepEqual(stream.events.map((e) => [e.id, e.event]), [['e-1', 'job'], [undefined, 'gap'], ['e-2', 'job']]);
  assert.deepEqual(stream.events[0].data, { id: 'a', down: [] });
  assert.match(stream.error.message, /event job contradicts/, 'events are judged too');
});

test('The settings are filled in, each port once, and nothing is left open', async () => {
  const where = { dir: '/d', state: '/d/state', services: '/s' };
  const { text, ports } = await fillIn('a = "${PORT_A}" b = "${PORT_B}" c = "${PORT_A}" d = [${worker:w3svc}] e = "${STATE}"', where);
  assert.equal(text, `a = "${ports.A}" b = "${ports.B}" c = "${ports.A}" d = ["/s/svc_worker", "--name", "w3svc", "--events", "/d/life", "--lock", "/d/w3svc.lock", "--control", "/d/w3svc.control", "--state", "/d/w3svc.state"] e = "/d/state"`);
  assert.notEqual(ports.A, ports.B);
  await assert.rejects(fillIn('${WHAT}', where), /WHAT/);
});

test('Processes are found by the folder they work in, and gone ones are not', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'noforce-e2e-harness-'));
  const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore'], argv0: `${folder}/sleep` });
  try {
    assert.deepEqual(processesOf(folder).map((p) => p.pid), [child.pid]);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await gone;
    assert.equal(isAlive(child.pid), false);
    assert.deepEqual(processesOf(folder), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('A life is waited for from a mark on', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'noforce-e2e-harness-'));
  try {
    const life = new Life(`${folder}/life`);
    appendFileSync(life.file, '1 web 7 start\n');
    const mark = life.mark();
    const waiting = life.until('web start', mark);
    appendFileSync(life.file, '2 web 8 start\n');
    assert.deepEqual(await waiting, { at: 2, name: 'web', pid: 8, event: 'start' });
    await assert.rejects(life.until('web end', mark, 0.05), /web end/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('A question that a service does not answer before it goes is an error', async () => {
  const server = net.createServer((socket) => socket.once('data', () => socket.end()));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  await assert.rejects(askOnce({ port: server.address().port }, 'MSG 1'), /closed/);
  await new Promise((resolve) => server.close(resolve));
});
