// A service that does not stop is reported and left alive; what can be brought back is; the rest
// follows when the late stop ends; and nobody else waits for it.
import assert from 'node:assert/strict';
import { isAlive, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const tree = ['antispam', 'iisadmin', 'pop3svc', 'smtpsvc', 'w3svc'];

function assertTimedOut(job, service) {
  assert.deepEqual([job.state, job.result, job.forced], ['done', 'timed_out', false]);
  assert.equal(job.error.service, service);
  const step = job.steps.find((s) => s.service === service && s.operation === 'stop');
  assert.deepEqual([step.state, step.result], ['done', 'timed_out']);
  assert.ok(step.since_progress_ms >= 1000, `time since its last progress: ${step.since_progress_ms} ms`);
}

scenario('A hung leaf: timed out, alive, the others are back, it follows when it is done', async (agent) => {
  await agent.untilRunning(...tree);
  agent.control('w3svc', { stop: 'hang' });
  const { pid } = await agent.service('w3svc');
  const root = await agent.service('iisadmin');

  const job = await agent.done('restart', 'iisadmin', { dependents: 'include', no_progress_s: 1 });

  assertTimedOut(job, 'w3svc');
  const hung = await agent.service('w3svc');
  assert.deepEqual([hung.state, hung.pid], ['stop_pending', pid]);
  assert.ok(hung.since_progress_ms >= 1000);
  assert.ok(isAlive(pid), 'the same process is still there');
  assert.deepEqual(job.down, ['w3svc']);
  assert.equal(job.restored, 'pending');
  assert.equal((await agent.service('iisadmin')).pid, root.pid, 'what it depends on was not stopped');
  assert.deepEqual(await agent.states().then(({ antispam, smtpsvc, pop3svc }) => [antispam, smtpsvc, pop3svc]),
    ['running', 'running', 'running'], 'what could be brought back is back');

  agent.control('w3svc', { stop: 'now' });
  await agent.untilState('w3svc', 'running');
  assert.notEqual((await agent.service('w3svc')).pid, pid);
  const restored = await agent.untilJob(job.id, (j) => j.restored === 'complete', 'the restoring is complete');
  assert.equal(restored.result, 'timed_out', 'the job stays what it was');
  const { body } = await agent.api.get('/v1/jobs?service=w3svc&limit=100');
  const child = body.items.find((j) => j.parent === job.id);
  assert.deepEqual([child.requested_by, child.action], ['agent', 'start']);
});

scenario('A hung root: timed out, alive, what hangs on it is down until the late stop ends', async (agent) => {
  await agent.untilRunning(...tree);
  agent.control('iisadmin', { stop: 'hang' });
  const { pid } = await agent.service('iisadmin');

  const job = await agent.done('restart', 'iisadmin', { dependents: 'include', no_progress_s: 1 });

  assertTimedOut(job, 'iisadmin');
  assert.ok(isAlive(pid));
  assert.deepEqual([(await agent.service('iisadmin')).state, (await agent.service('iisadmin')).pid], ['stop_pending', pid]);
  assert.equal(job.restored, 'pending');
  assert.deepEqual([...job.down].sort(), tree, 'down names what is down');

  agent.control('iisadmin', { stop: 'now' });
  await agent.untilRunning(...tree);
  assert.ok(!isAlive(pid));
  await agent.untilJob(job.id, (j) => j.restored === 'complete', 'the restoring is complete');
});

scenario('A service that does not react to the stop at all is not killed either', async (agent) => {
  await agent.untilRunning('other');
  agent.control('other', { stop: 'refuse' });
  const { pid } = await agent.service('other');

  const job = await agent.done('stop', 'other', { no_progress_s: 1 });

  assertTimedOut(job, 'other');
  assert.ok(isAlive(pid));
  assert.equal(agent.life.of('other', 'stop again').length, 0, 'it was asked once');
});

scenario('A service that never gets ready times out, is not killed, and can be stopped', async (agent) => {
  await agent.untilRunning('other');
  agent.control('other', { start: 'never' });

  const job = await agent.done('restart', 'other', { no_progress_s: 1, on_failure: 'leave' });

  assert.deepEqual([job.result, job.forced, job.down], ['timed_out', false, ['other']]);
  const pending = await agent.service('other');
  assert.equal(pending.state, 'start_pending');
  assert.ok(isAlive(pending.pid));
  assert.equal((await agent.done('stop', 'other')).result, 'succeeded');
  assert.ok(!isAlive(pending.pid));
});

scenario('With ten hung jobs an unrelated restart runs as if there were none', async (agent) => {
  const hung = Array.from({ length: 10 }, (_, i) => `hung${i}`);
  await agent.untilRunning('other', ...hung);
  for (const name of hung) agent.control(name, { stop: 'hang' });
  const jobs = await Promise.all(hung.map((name) => agent.accepted('restart', name, { no_progress_s: 100 })));
  for (const name of hung) await agent.untilState(name, 'stop_pending');

  const job = await agent.done('restart', 'other');

  assert.equal(job.result, 'succeeded');
  assert.ok(job.duration_ms < 5000, `${job.duration_ms} ms`);
  for (const { id } of jobs) assert.equal((await agent.job(id)).state, 'running');
  for (const name of hung) agent.control(name, { stop: 'now' });
  for (const { id } of jobs) assert.equal((await agent.waitJob(id)).result, 'succeeded');
});

scenario('A hung service blocks its own tree and nobody else', async (agent) => {
  await agent.untilRunning('other', ...tree);
  agent.control('w3svc', { stop: 'hang' });
  const first = await agent.accepted('restart', 'iisadmin', { dependents: 'include', no_progress_s: 100 });
  await agent.untilState('w3svc', 'stop_pending');

  const behind = await agent.accepted('restart', 'pop3svc');
  const aside = await agent.done('restart', 'other');

  assert.equal(aside.result, 'succeeded');
  assert.equal((await agent.job(behind.id)).state, 'queued');
  assert.equal((await agent.job(first.id)).state, 'running');
  agent.control('w3svc', { stop: 'now' });
  assert.equal((await agent.waitJob(first.id)).result, 'succeeded');
  assert.equal((await agent.waitJob(behind.id)).result, 'succeeded');
});
