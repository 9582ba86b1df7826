// Progress is what a service is waited for by, not time.
import assert from 'node:assert/strict';
import { isAlive, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);

scenario('A stop that shows progress is waited for, longer than no_progress_s', async (agent) => {
  await agent.untilRunning('slow');
  agent.control('slow', { stop: 'progress 4000 250' });

  const job = await agent.done('restart', 'slow', { no_progress_s: 1 });

  assert.deepEqual([job.result, job.forced], ['succeeded', false]);
  const stop = job.steps.find((s) => s.operation === 'stop');
  assert.ok(stop.duration_ms >= 4000, `${stop.duration_ms} ms`);
  assert.ok(stop.checkpoint >= 10, `its checkpoint grew: ${stop.checkpoint}`);
  assert.match(stop.status_text, /stopping \d+ of 4000 ms/);
});

scenario('A start that shows progress is waited for, longer than no_progress_s', async (agent) => {
  await agent.untilRunning('slow');
  agent.control('slow', { start: 'progress 4000 250' });

  const job = await agent.done('restart', 'slow', { no_progress_s: 1 });

  assert.equal(job.result, 'succeeded');
  assert.ok(job.steps.find((s) => s.operation === 'start').duration_ms >= 4000);
});

scenario('The same time in silence is not: timed out, and brought back when it ends by itself', async (agent) => {
  await agent.untilRunning('slow');
  agent.control('slow', { stop: 'after 6000' });
  const { pid } = await agent.service('slow');

  const job = await agent.done('restart', 'slow', { no_progress_s: 1 });

  assert.deepEqual([job.result, job.restored, job.down], ['timed_out', 'pending', ['slow']]);
  assert.ok(isAlive(pid));
  await agent.untilService('slow', (s) => s.state === 'running' && s.pid !== pid, 'slow is back');
});

scenario('A running stop can be watched: checkpoint, wait hint and status text move', async (agent) => {
  await agent.untilRunning('slow');
  agent.control('slow', { stop: 'progress 2000 200' });
  const job = await agent.accepted('restart', 'slow', { no_progress_s: 5 });

  const seen = await agent.untilService('slow', (s) => s.state === 'stop_pending' && s.checkpoint >= 3, 'three checkpoints');

  assert.equal(seen.wait_hint_ms, 400);
  assert.match(seen.status_text, /stopping \d+ of 2000 ms/);
  assert.equal(seen.job, job.id);
  assert.equal((await agent.waitJob(job.id)).result, 'succeeded');
});

scenario('The deadline of the whole job ends the waiting also where there is progress', async (agent) => {
  await agent.untilRunning('slow');
  agent.control('slow', { stop: 'progress 60000 200' });
  const { pid } = await agent.service('slow');

  const job = await agent.done('restart', 'slow', { deadline_s: 2 });

  assert.deepEqual([job.result, job.forced], ['timed_out', false]);
  assert.ok(isAlive(pid));
});
