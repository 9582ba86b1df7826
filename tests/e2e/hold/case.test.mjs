// The hold, as IISRESET /DISABLE: while it is on no job begins, and it is released only on the
// machine itself.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const off = (agent) => agent.run('hold', 'off', '--config', agent.settings);

scenario('While a hold is on, nothing is accepted and the refusal says why', async (agent) => {
  await agent.untilRunning('web');
  const set = await agent.api.request('PUT', '/v1/hold', { body: { reason: 'storage is being moved' } });
  assert.deepEqual([set.status, set.body.on, set.body.reason], [200, true, 'storage is being moved']);
  const mark = agent.life.mark();

  const { status, body } = await agent.act('restart', 'web');

  assert.deepEqual([status, body.code], [409, 'held']);
  assert.match(body.detail, /storage is being moved/);
  assert.match(body.detail, /noforce hold off/);
  const plan = await agent.act('restart', 'web', { dry_run: 1 });
  assert.deepEqual([plan.status, plan.body.would_answer.code], [200, 'held']);
  assert.deepEqual(agent.life.sentences(mark), []);
  await off(agent);
  assert.equal((await agent.done('restart', 'web')).result, 'succeeded');
});

scenario('A running job ends, a queued one waits for the release', async (agent) => {
  await agent.untilRunning('web');
  agent.control('web', { stop: 'after 800' });
  const running = await agent.accepted('restart', 'web');
  const queued = await agent.accepted('restart', 'web');
  await agent.life.until('web stop');

  await agent.run('hold', 'on', '--reason', 'the test', '--config', agent.settings);

  assert.equal((await agent.waitJob(running.id)).result, 'succeeded');
  assert.equal((await agent.api.get(`/v1/jobs/${queued.id}?wait=1`)).body.state, 'queued');
  await off(agent);
  assert.equal((await agent.waitJob(queued.id)).result, 'succeeded');
});

scenario('It cannot be released from elsewhere, not even by an admin', async (agent) => {
  await agent.untilRunning('web');
  await agent.api.request('PUT', '/v1/hold', { body: {} });
  const released = await agent.api.request('PUT', '/v1/hold', { body: { on: false } });
  assert.equal(released.status, 403);
  assert.match(released.body.detail, /noforce hold off/);
  assert.equal((await agent.api.get('/v1/hold')).body.on, true);
  assert.match((await off(agent)).stdout, /off/);
  assert.equal((await agent.api.get('/v1/hold')).body.on, false);
});

scenario('It survives the agent', async (agent) => {
  await agent.untilRunning('web');
  await agent.api.request('PUT', '/v1/hold', { body: { reason: 'still' } });
  await agent.kill();
  await agent.serve();
  const { body } = await agent.api.get('/v1/hold');
  assert.deepEqual([body.on, body.reason], [true, 'still']);
  assert.equal((await agent.act('restart', 'web')).status, 409);
  await off(agent);
});
