// A queued job ends at once; a running one stops before its next step and restores. A control that
// was sent is never taken back.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const cancel = (agent, id) => agent.api.post(`/v1/jobs/${id}/cancel`);

scenario('A queued job is cancelled at once and never runs', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'after 1000' });
  const first = await agent.accepted('restart', 'leaf');
  const second = await agent.accepted('restart', 'leaf');
  assert.equal(second.state, 'queued');

  const answer = await cancel(agent, second.id);

  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([answer.body.state, answer.body.result, answer.body.started_at], ['done', 'cancelled', null]);
  assert.equal((await agent.waitJob(first.id)).result, 'succeeded');
  assert.equal(agent.life.of('leaf', 'stop').length, 1, 'only the first one ran');
});

scenario('A running job is cancelled before its next step and restores what it stopped', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'after 1000' });
  const base = await agent.service('base');
  const leaf = await agent.service('leaf');
  const job = await agent.accepted('restart', 'base', { dependents: 'include' });
  await agent.life.until('leaf stop');

  const answer = await cancel(agent, job.id);

  assert.ok([200, 202].includes(answer.status), answer.text);
  assert.equal(answer.body.state, 'cancelling');
  const done = await agent.waitJob(job.id);
  assert.deepEqual([done.result, done.restored, done.forced, done.down], ['cancelled', 'complete', false, []]);
  assert.equal((await agent.service('base')).pid, base.pid, 'its next step did not happen');
  assert.notEqual((await agent.service('leaf')).pid, leaf.pid, 'the stop that was sent was not taken back');
  assert.equal((await agent.service('leaf')).state, 'running');
});

scenario('With on_failure=leave a cancelled job leaves things as they are', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'after 800' });
  const job = await agent.accepted('restart', 'base', { dependents: 'include', on_failure: 'leave' });
  await agent.life.until('leaf stop');
  await cancel(agent, job.id);
  const done = await agent.waitJob(job.id);
  assert.deepEqual([done.result, done.down], ['cancelled', ['leaf']]);
  assert.deepEqual(await agent.states(), { base: 'running', leaf: 'stopped' });
});

scenario('A job that is done cannot be cancelled and does not change', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const done = await agent.done('restart', 'leaf');
  await cancel(agent, done.id);
  assert.deepEqual(await agent.job(done.id), done);
});
