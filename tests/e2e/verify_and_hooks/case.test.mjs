// "Started" is not "works": a service that is up and does not answer is a failed job.
import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const guarded = scenarios(import.meta.url, { settings: 'guarded.toml' });

scenario('A service that comes up and answers passes its verification', async (agent) => {
  await agent.untilRunning('web');
  const job = await agent.done('restart', 'web');
  assert.equal(job.result, 'succeeded');
  const verify = job.steps.find((s) => s.operation === 'verify');
  assert.equal(verify.result, 'succeeded');
  assert.ok(verify.duration_ms >= 1000, `held for hold_s: ${verify.duration_ms} ms`);
});

for (const [answer, what] of [['500', 'answers with an error'], ['never', 'does not answer']]) {
  scenario(`A service that comes up and ${what} fails the job, which names it`, async (agent) => {
    await agent.untilRunning('web');
    agent.control('web', { answer });

    const job = await agent.done('restart', 'web');

    assert.equal(job.result, 'failed');
    assert.deepEqual([job.error.code, job.error.service], ['verify_failed', 'web']);
    assert.equal((await agent.service('web')).state, 'running', 'it is left as it is');
  });
}

scenario('A service that crashes within hold_s fails the job, which names it', async (agent) => {
  await agent.untilRunning('web');
  agent.control('web', { run: 'crash 400 3' });

  const job = await agent.done('restart', 'web', { on_failure: 'leave' });

  assert.equal(job.result, 'failed');
  assert.equal(job.error.service, 'web');
  assert.deepEqual(job.down, ['web']);
  assert.equal((await agent.service('web')).exit.code, 3);
});

scenario('A service that crashes as it starts fails the job, with its exit status', async (agent) => {
  await agent.untilRunning('web');
  agent.control('web', { start: 'crash 7' });

  const job = await agent.done('restart', 'web');

  assert.equal(job.result, 'failed');
  assert.equal(job.error.service, 'web');
  assert.deepEqual(job.down, ['web']);
  assert.equal((await agent.service('web')).exit.code, 7);
});

guarded('When before_stop fails nothing is stopped', async (agent) => {
  await agent.untilRunning('guarded', 'loose');
  const mark = agent.life.mark();
  const { pid } = await agent.service('guarded');

  const job = await agent.done('restart', 'guarded', { dependents: 'include' });

  assert.equal(job.result, 'failed');
  assert.deepEqual([job.error.code, job.error.service], ['hook_failed', 'guarded']);
  assert.deepEqual([job.restored, job.down], ['not_needed', []]);
  assert.deepEqual(agent.life.sentences(mark), [], 'nobody was asked to stop');
  assert.equal((await agent.service('guarded')).pid, pid);

  writeFileSync(`${agent.dir}/permit`, '');
  assert.equal((await agent.done('restart', 'guarded', { dependents: 'include' })).result, 'succeeded');
});

scenario('before_stop runs before the stop and after_start when it is up again', async (agent) => {
  await agent.untilRunning('hooked', 'web');
  const mark = agent.life.mark();

  const job = await agent.done('restart', 'hooked');

  assert.equal(job.result, 'succeeded');
  assert.ok(existsSync(`${agent.dir}/before`) && existsSync(`${agent.dir}/after`));
  assert.ok(statSync(`${agent.dir}/before`).mtimeMs <= statSync(`${agent.dir}/after`).mtimeMs);
  assert.deepEqual(job.steps.map((s) => s.operation), ['hook', 'stop', 'start', 'hook']);
  assert.deepEqual(agent.life.sentences(mark), ['hooked stop', 'hooked end', 'hooked start', 'hooked ready']);
});
