// Consent is for what was shown: a plan that grew while its job was queued is not carried out.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);

// A job that waits: `late` is being started, which takes as long as the `slow` one that it needs.
// By the time that this is over there is more on `base` than there was.
async function askedMeanwhile(agent, request) {
  agent.control('slow', { start: 'after 1000' });
  const first = await agent.accepted('start', 'late');
  await agent.life.until('slow start');
  const { status, body, text } = await agent.api.post('/v1/jobs', { action: 'restart', services: ['base'], ...request });
  assert.equal(status, 202, text);
  assert.equal(body.state, 'queued');
  assert.equal((await agent.waitJob(first.id)).result, 'succeeded');
  return agent.waitJob(body.id);
}

for (const dependents of ['refuse', 'include']) {
  scenario(`When more would go down than was consented to (${dependents}) the job ends plan_changed and touches nothing`, async (agent) => {
    await agent.untilRunning('base');

    const job = await askedMeanwhile(agent, { dependents });

    assert.deepEqual([job.result, job.error.code], ['failed', 'plan_changed']);
    assert.match(job.error.detail, /late/, 'it says what would go down besides');
    assert.deepEqual([job.restored, job.down], ['not_needed', []]);
    assert.deepEqual(agent.life.sentences().filter((s) => / (stop|end)$/.test(s)), []);
    assert.deepEqual(await agent.states(), { base: 'running', late: 'running', slow: 'running' });
  });
}

scenario('A job whose plan_digest no longer fits when it begins ends plan_changed and touches nothing', async (agent) => {
  await agent.untilRunning('base');
  const { digest } = (await agent.act('restart', 'base', { dry_run: 1 })).body;

  const job = await askedMeanwhile(agent, { dependents: 'include', plan_digest: digest });

  assert.deepEqual([job.result, job.error.code], ['failed', 'plan_changed']);
  assert.deepEqual(agent.life.sentences().filter((s) => / (stop|end)$/.test(s)), []);
});

scenario('A plan that is still the same is carried out', async (agent) => {
  await agent.untilRunning('base');
  const { digest } = (await agent.act('restart', 'base', { dry_run: 1 })).body;
  const first = await agent.accepted('reload', 'base');
  const { status, body } = await agent.api.post('/v1/jobs', { action: 'restart', services: ['base'], plan_digest: digest });
  assert.equal(status, 202);
  assert.equal((await agent.waitJob(first.id)).result, 'succeeded');
  assert.equal((await agent.waitJob(body.id)).result, 'succeeded');
});

scenario('A plan_digest that does not fit at once is refused with 412', async (agent) => {
  await agent.untilRunning('base');
  const { digest } = (await agent.act('restart', 'base', { dry_run: 1 })).body;
  await agent.done('start', 'late');
  const request = { action: 'restart', services: ['base'], dependents: 'include' };

  const answer = await agent.api.post('/v1/jobs', { ...request, plan_digest: digest });

  assert.deepEqual([answer.status, answer.body.code], [412, 'plan_mismatch']);
  const { digest: fresh } = (await agent.act('restart', 'base', { dry_run: 1, dependents: 'include' })).body;
  const again = await agent.api.post('/v1/jobs', { ...request, plan_digest: fresh });
  assert.equal(again.status, 202, again.text);
  assert.equal((await agent.waitJob(again.body.id)).result, 'succeeded');
});
