// The forms in which one and the same job is answered for: to programs, to scripts, to people.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);

scenario('202 carries the whole job, where it is, and when to ask again', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'after 500' });
  const { status, headers, body } = await agent.act('restart', 'leaf');
  assert.equal(status, 202);
  assert.equal(headers.location, `/v1/jobs/${body.id}`);
  assert.ok(Number(headers['retry-after']) >= 1);
  assert.match(body.id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(body.links.self, headers.location);
  assert.equal((await agent.waitJob(body.id)).result, 'succeeded');
});

scenario('Prefer: wait answers when the job is done, or when the time is over', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'after 2500' });

  const early = await agent.api.post('/v1/services/leaf/restart', undefined, { headers: { prefer: 'wait=1' } });
  assert.equal(early.status, 202);
  assert.equal(early.headers['preference-applied'], 'wait=1');
  assert.equal(early.body.state, 'running');

  agent.control('leaf', { stop: 'after 100' });
  const late = await agent.api.post('/v1/services/leaf/restart', undefined, { headers: { prefer: 'wait=60' } });
  assert.equal(late.status, 200);
  assert.equal(late.body.state, 'done');
  assert.equal(late.headers['noforce-job-result'], 'succeeded');
  assert.equal((await agent.job(early.body.id)).state, 'done', 'the earlier one went first');
});

scenario('GET of a job waits too, and is 200 whatever became of it', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'hang' });
  const { id } = await agent.accepted('stop', 'leaf', { no_progress_s: 2 });

  const running = await agent.api.get(`/v1/jobs/${id}?wait=1`);
  assert.deepEqual([running.status, running.body.state], [200, 'running']);
  const done = await agent.api.get(`/v1/jobs/${id}?wait=30`);
  assert.deepEqual([done.status, done.body.result], [200, 'timed_out']);
  assert.equal(done.headers['noforce-job-result'], 'timed_out');
});

scenario('strict gives 2xx for good ends only, and 424 for all others', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  assert.equal((await agent.act('restart', 'leaf', { strict: 1 })).status, 200);
  assert.equal((await agent.act('start', 'leaf', { strict: 1 })).body.result, 'unchanged');
  assert.equal((await agent.act('restart', 'base', { strict: 1 })).status, 409, 'a refusal stays a refusal');

  agent.control('leaf', { stop: 'hang' });
  const running = await agent.act('stop', 'leaf', { strict: 1, wait: 1, no_progress_s: 4 });
  assert.equal(running.status, 424, 'still running is not good enough');
  assert.equal(running.body.state, 'running');
  const timedOut = await agent.act('stop', 'leaf', { strict: 1, no_progress_s: 1 });
  assert.equal(timedOut.status, 424);
  assert.equal(timedOut.body.result, 'timed_out');
});

scenario('text/plain is one greppable line', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const plain = { headers: { accept: 'text/plain' } };

  const { status, headers, text } = await agent.api.post('/v1/services/base/restart?dependents=include&wait=30', undefined, plain);

  assert.equal(status, 200);
  assert.match(headers['content-type'], /^text\/plain/);
  assert.match(text, /^succeeded restart base \d+\.\d+s job=[0-9A-Z]{26} down=-\n$/);

  agent.control('leaf', { stop: 'hang' });
  const hung = await agent.api.post('/v1/services/leaf/restart?wait=30&no_progress_s=1', undefined, plain);
  assert.match(hung.text, /^timed_out restart leaf \d+\.\d+s job=[0-9A-Z]{26} down=leaf error=no_progress\n$/);
});

scenario('An unchanged service and an unchanged job are 304, a changed one is not', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const job = await agent.done('restart', 'leaf');
  for (const path of ['/v1/services/leaf', `/v1/jobs/${job.id}`]) {
    const first = await agent.api.get(path);
    assert.ok(first.headers.etag, path);
    const again = await agent.api.get(path, { headers: { 'if-none-match': first.headers.etag } });
    assert.deepEqual([again.status, again.text], [304, ''], path);
    assert.equal(again.headers.etag, first.headers.etag);
  }
  const { etag } = (await agent.api.get('/v1/services/leaf')).headers;
  await agent.done('stop', 'leaf');
  const changed = await agent.api.get('/v1/services/leaf', { headers: { 'if-none-match': etag } });
  assert.deepEqual([changed.status, changed.body.state], [200, 'stopped']);
});

scenario('A refusal says what to do next and accepts nothing', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const unknown = await agent.act('restart', 'nobody');
  assert.equal(unknown.status, 404);
  assert.match(unknown.headers['content-type'], /^application\/problem\+json/);
  assert.match(unknown.body.detail, /nobody/);
  const malformed = await agent.api.post('/v1/jobs', { action: 'explode', services: ['leaf'] });
  assert.equal(malformed.status, 422);
  assert.match(malformed.body.detail, /explode|action/);
  const both = await agent.api.post('/v1/jobs', { action: 'stop', services: ['leaf'], group: 'x' });
  assert.equal(both.status, 422);
  const broken = await agent.api.post('/v1/jobs', '{"action":', { headers: { 'content-type': 'application/json' } });
  assert.ok([400, 422].includes(broken.status), `${broken.status}`);
  const { body } = await agent.api.get('/v1/jobs');
  assert.deepEqual(body.items.filter((j) => j.requested_by !== 'agent'), []);
});
