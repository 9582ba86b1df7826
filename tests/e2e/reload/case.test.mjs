// The other actions: reload, pause and continue; and what is refused about them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);

scenario('A reload reaches the service, which keeps its process', async (agent) => {
  await agent.untilRunning('able');
  const { pid, accepts } = await agent.service('able');
  assert.ok(accepts.includes('reload'));
  const mark = agent.life.mark();

  const job = await agent.done('reload', 'able');

  assert.equal(job.result, 'succeeded');
  await agent.life.until('able reload', mark);
  assert.equal(readFileSync(`${agent.dir}/able.state`, 'utf8'), 'reloads = 1\n');
  assert.equal((await agent.service('able')).pid, pid);
});

scenario('A service that cannot reload says so and goes on', async (agent) => {
  await agent.untilRunning('unable');
  assert.equal((await agent.service('unable')).accepts.includes('reload'), false);
  const mark = agent.life.mark();
  const answer = await agent.act('reload', 'unable', { wait: 30 });
  if (answer.status < 300) assert.equal(answer.body.result, 'failed');
  else assert.ok([409, 422].includes(answer.status), answer.text);
  assert.deepEqual(agent.life.sentences(mark), []);
});

scenario('A pause stops the work and a continue takes it up, in the same process', async (agent) => {
  await agent.untilRunning('able');
  const { pid } = await agent.service('able');
  assert.equal((await agent.done('pause', 'able')).result, 'succeeded');
  const paused = await agent.service('able');
  assert.deepEqual([paused.state, paused.pid], ['paused', pid]);
  assert.equal((await agent.done('pause', 'able')).result, 'unchanged');
  assert.equal((await agent.done('continue', 'able')).result, 'succeeded');
  const running = await agent.service('able');
  assert.deepEqual([running.state, running.pid], ['running', pid]);
});

scenario('A paused service stops as gracefully as a running one', async (agent) => {
  await agent.untilRunning('able');
  await agent.done('pause', 'able');
  const mark = agent.life.mark();
  assert.equal((await agent.done('stop', 'able')).result, 'succeeded');
  assert.deepEqual(agent.life.sentences(mark), ['able stop', 'able end']);
});

scenario('A disabled service is refused, not enabled', async (agent) => {
  const { status, body } = await agent.act('start', 'off');
  assert.equal(status, 409);
  assert.equal(body.service, 'off');
  assert.equal((await agent.service('off')).state, 'stopped');
});
