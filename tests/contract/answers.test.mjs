// Every operation of openapi.yaml, in every outcome that can be brought about from outside: each
// answer has a documented status, content type and body, and no field that is not documented.
import assert from 'node:assert/strict';
import https from 'node:https';
import { scenarios } from '../e2e/harness/index.mjs';
import { NotingClient, document, operations } from './strict.mjs';

const scenario = scenarios(import.meta.url);
const seen = new Set();
const json = { 'content-type': 'application/json' };

// A request to another name than the agent's; a client that checks certificates would not send it.
function misdirected(agent, token, method, path) {
  return new Promise((resolve, reject) => {
    const [host, port] = agent.address.split(':');
    const headers = { host: 'evil.example', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const options = { host, port, ca: agent.ca, agent: false, method, path, headers, checkServerIdentity: () => undefined };
    https.request(options, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject).end();
  });
}

scenario('What works', async (agent) => {
  await agent.untilRunning('base', 'leaf', 'vault');
  const api = NotingClient.of(agent, seen);
  const plain = { headers: { accept: 'text/plain' } };

  for (const path of ['/healthz', '/readyz', '/openapi.json', '/openapi.yaml']) assert.equal((await api.get(path)).status, 200);
  assert.deepEqual((await api.get('/openapi.json')).body, document, 'the agent serves this very contract');
  for (const path of ['/v1/agent', '/v1/services', '/v1/services/leaf', '/v1/groups', '/v1/groups/tree', '/v1/jobs', '/v1/audit', '/v1/hold']) {
    const answer = await api.get(path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.match(answer.headers['cache-control'], /no-store|no-cache/);
    if (path !== '/v1/agent') assert.equal((await api.get(path, plain)).status, 200, `${path} as text`);
    if (answer.headers.etag) assert.equal((await api.get(path, { headers: { 'if-none-match': answer.headers.etag } })).status, 304, path);
  }
  for (const path of ['/openapi.json', '/openapi.yaml']) {
    const { etag } = (await api.get(path)).headers;
    assert.equal((await api.get(path, { headers: { 'if-none-match': etag } })).status, 304);
  }

  assert.equal((await api.post('/v1/services/leaf/restart?dry_run=1')).status, 200);
  assert.equal((await api.post('/v1/services/leaf/restart?dry_run=1', undefined, plain)).status, 200);
  assert.equal((await api.post('/v1/groups/tree/restart?dry_run=yes')).status, 200);
  assert.equal((await api.post('/v1/jobs?dry_run=1', { action: 'stop', services: ['base'] })).body.needs_consent, true);
  const done = await api.post('/v1/services/leaf/restart?wait=30', { reason: 'deploy 4711' });
  assert.deepEqual([done.status, done.body.result], [200, 'succeeded']);
  assert.equal((await api.post('/v1/groups/tree/restart?wait=30&dependents=include')).status, 200);
  assert.equal((await api.post('/v1/jobs?wait=30', { action: 'restart', group: 'tree', dependents: 'include' })).status, 200);
  const job = await api.get(`/v1/jobs/${done.body.id}`);
  assert.equal((await api.get(`/v1/jobs/${done.body.id}`, plain)).status, 200);
  assert.equal((await api.get(`/v1/jobs/${done.body.id}`, { headers: { 'if-none-match': job.headers.etag } })).status, 304);
  assert.equal((await api.get('/v1/jobs?state=done&result=succeeded&action=restart&service=leaf&since=2020-01-01T00:00:00Z&limit=1')).body.items.length, 1);
});

scenario('What takes its time, goes wrong, is cancelled', async (agent) => {
  await agent.untilRunning('base', 'leaf', 'vault');
  const api = NotingClient.of(agent, seen);
  agent.control('leaf', { stop: 'hang' });
  const running = await api.post('/v1/services/leaf/stop?no_progress_s=60', undefined, { headers: { prefer: 'wait=1' } });
  assert.equal(running.status, 202);
  assert.equal((await api.post('/v1/services/leaf/stop?strict=1&wait=1')).status, 424);
  assert.equal((await api.post('/v1/groups/tree/stop?dependents=include')).status, 202);
  assert.equal((await api.post('/v1/groups/tree/stop?dependents=include&strict=1&wait=1')).status, 424);
  const queued = await api.post('/v1/jobs', { action: 'restart', services: ['leaf'] });
  assert.equal(queued.status, 202);
  assert.equal((await api.post('/v1/jobs?strict=1&wait=1', { action: 'restart', services: ['leaf'] })).status, 424);
  assert.equal((await api.post(`/v1/jobs/${queued.body.id}/cancel?wait=10`)).status, 200);
  assert.equal((await api.post(`/v1/jobs/${queued.body.id}/cancel`)).status, 409);
  assert.equal((await api.post(`/v1/jobs/${running.body.id}/cancel`)).status, 202);
  assert.equal((await api.post(`/v1/jobs/${running.body.id}/cancel?strict=1&wait=1`)).status, 424);
  assert.equal((await api.get('/v1/services/leaf')).body.state, 'stop_pending');
  assert.equal((await api.get('/v1/services')).body.items.length, 3);

  for (const { id } of (await api.get('/v1/jobs?state=queued')).body.items) await api.post(`/v1/jobs/${id}/cancel`);
  agent.control('leaf', { stop: 'now' });
  assert.equal((await agent.waitJob(running.body.id)).state, 'done');
});

scenario('What is refused', async (agent) => {
  await agent.untilRunning('base', 'leaf', 'vault');
  const api = NotingClient.of(agent, seen);
  const nobody = NotingClient.of(agent, seen, null);
  const viewer = NotingClient.of(agent, seen, await agent.token('viewer', '--role', 'viewer'));
  const narrow = NotingClient.of(agent, seen, await agent.token('narrow', '--role', 'operator', '--service', 'base'));
  const posts = ['/v1/services/leaf/restart', '/v1/groups/tree/restart', '/v1/jobs'];
  const restart = { action: 'restart', services: ['base'] };
  const code = async (answer) => { const { status, body } = await answer; return `${status} ${body?.code}`; };

  for (const { path, method } of operations().filter((o) => o.role !== 'none')) {
    const target = path.replace('{id}', '0'.repeat(26)).replace('{name}', 'x').replace('{action}', 'stop');
    assert.match(await code(nobody.request(method, target)), /^(401 unauthorized|429 rate_limited)$/);
    assert.equal(await code(api.request(method, `${target}?bogus=1`)), '422 malformed', `${method} ${target}`);
    assert.equal(await misdirected(agent, api.token, method, target), 421);
  }
  for (const path of ['/healthz', '/readyz', '/openapi.yaml', '/openapi.json']) {
    assert.equal(await code(nobody.get(`${path}?bogus=1`)), '422 malformed');
    assert.equal(await misdirected(agent, null, 'GET', path), 421);
  }
  for (const path of ['/v1/services', '/v1/services/leaf', '/v1/groups', '/v1/groups/tree', '/v1/jobs', '/v1/events', '/v1/audit', '/v1/hold']) {
    assert.equal(await code(api.get(path, { headers: { accept: 'image/png' } })), '406 not_acceptable', path);
  }
  for (const [path, expected] of [
    ['/v1/services/nobody', '404 unknown_service'], ['/v1/groups/nobody', '404 unknown_group'],
    ['/v1/jobs/nobody', '404 unknown_job'], [`/v1/jobs/${'0'.repeat(26)}`, '404 unknown_job'],
    ['/v1/services?group=nobody', '404 unknown_group'], ['/v1/jobs?service=nobody', '404 unknown_service'],
    ['/v1/events?job=nobody', '404 unknown_job'], ['/v1/events?service=nobody', '404 unknown_service'],
  ]) assert.equal(await code(api.get(path)), expected, path);

  for (const path of posts) {
    assert.equal(await code(viewer.post(path, path === '/v1/jobs' ? restart : undefined)), '403 forbidden', path);
    assert.equal(await code(api.post(path, '{', { headers: json })), '422 malformed', path);
    assert.equal(await code(api.post(path, 'a=b', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })), '415 unsupported_media_type');
    assert.equal(await code(api.post(path, restart, { headers: { accept: 'image/png' } })), path === '/v1/jobs' ? '406 not_acceptable' : '422 malformed');
    assert.equal(await code(api.post(path, path === '/v1/jobs' ? restart : {}, { headers: { 'idempotency-key': 'a b' } })), '422 malformed');
  }
  assert.equal(await code(api.post('/v1/services/base/restart')), '409 dependents_running');
  assert.equal(await code(api.post('/v1/jobs', restart)), '409 dependents_running');
  assert.equal(await code(api.post('/v1/services/vault/restart')), '422 reason_required');
  assert.equal(await code(api.post('/v1/services/leaf/restart?plan_digest=sha256:00')), '412 plan_mismatch');
  assert.equal(await code(api.post('/v1/jobs', { ...restart, services: ['leaf'], plan_digest: 'x' })), '412 plan_mismatch');
  assert.equal(await code(api.post('/v1/groups/tree/restart?plan_digest=x&dependents=include')), '412 plan_mismatch');
  assert.equal(await code(narrow.post('/v1/services/base/restart?dependents=include')), '403 forbidden');
  assert.equal(await code(api.post('/v1/services/nobody/restart')), '404 unknown_service');
  assert.equal(await code(api.post('/v1/services/leaf/explode')), '404 not_found');
  assert.equal(await code(api.post('/v1/groups/nobody/restart')), '404 unknown_group');
  assert.equal(await code(api.post(`/v1/jobs/${'0'.repeat(26)}/cancel`)), '404 unknown_job');
  assert.equal(await code(viewer.get('/v1/audit')), '403 forbidden');
  assert.equal(await code(viewer.request('PUT', '/v1/hold', { body: {} })), '403 forbidden');
  const key = { headers: { 'idempotency-key': 'k' } };
  assert.equal((await api.post('/v1/services/leaf/start?wait=10', undefined, key)).status, 200);
  assert.equal(await code(api.post('/v1/services/leaf/stop', undefined, key)), '422 idempotency_mismatch');

  assert.equal(await code(api.request('DELETE', '/v1/jobs')), '405 method_not_allowed');
  assert.equal(await code(api.get('/v1/nothing')), '404 not_found');
  assert.equal(await code(api.post('/v1/jobs', `{"reason":"${'x'.repeat(70000)}"}`, { headers: json })), '413 too_large');
  assert.equal(await code(api.get(`/v1/services?q=${'x'.repeat(5000)}`)), '414 uri_too_long');
  assert.equal(await code(api.get('/v1/services', { headers: { 'x-much': 'x'.repeat(20000) } })), '431 header_too_large');
  assert.equal(await code(api.post('/v1/jobs', restart, { headers: { 'content-encoding': 'gzip' } })), '415 unsupported_media_type');

  for (const method of ['PUT', 'POST']) {
    assert.equal(await code(api.request(method, '/v1/hold', { body: { on: false } })), '403 forbidden');
    assert.equal((await api.request(method, '/v1/hold', { body: { reason: 'now' } })).status, 200);
  }
  assert.equal(await code(api.post('/v1/services/leaf/restart')), '409 held');
  await agent.run('hold', 'off', '--config', agent.settings);
});

scenario('No operation is left out', async () => {
  const missing = operations().filter(({ id }) => id !== 'streamEvents')
    .filter(({ id }) => ![...seen].some((s) => s.startsWith(`${id} 2`))).map(({ id }) => id);
  assert.deepEqual(missing, []);
});

scenario('Events carry the resources that the contract names', async (agent) => {
  await agent.untilRunning('base', 'leaf', 'vault');
  const contract = NotingClient.of(agent, seen).contract;
  const stream = await agent.stream();
  const { id } = await agent.accepted('restart', 'leaf');
  await stream.until((e) => e.event === 'job' && e.data.id === id && e.data.state === 'done', 'the job is done');
  for (const e of stream.events) {
    assert.ok(e.id, 'each event has an id to resume from');
    contract.checkSchema({ job: 'Job', service: 'Service', gap: 'Gap' }[e.event], e.data);
  }
  assert.match(stream.headers['content-type'], /^text\/event-stream/);
  const lost = await agent.stream({ lastEventId: 'nobody-7' });
  contract.checkSchema('Gap', (await lost.until((e) => e.event === 'gap', 'a gap')).data);
});
