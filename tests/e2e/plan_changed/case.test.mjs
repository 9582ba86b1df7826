// Consent is for what was shown: a plan that grew while its job was queued is not carried out.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);

// Three jobs: the first takes its time, the second starts `late` after it, the third is then
// another than the one that was asked for.
async function asked(agent, third) {
  await agent.untilRunning('base');
  agent.control('base', { stop: 'after 1000' });
  const first = await agent.accepted('restart', 'base');
  const second = await agent.accepted('start', 'late');
  const accepted = await agent.act('restart', 'base', third);
  assert.equal(accepted.status, 202, accepted.text);
  assert.equal(accepted.body.state, 'queued');
  assert.equal((await agent.waitJob(first.id)).result, 'succeeded');
  assert.equal((await agent.waitJob(second.id)).result, 'succeeded');
  return agent.waitJob(accepted.body.id);
}

for (const dependents of ['refuse', 'include']) {
  scenario(`When more would go down than was consented to (${dependents}) the job ends plan_changed and touches nothing`, async (agent) => {
    const job = await asked(agent, { dependents });

    assert.equal(job.result, 'failed');
    assert.equal(job.error.code, 'plan_changed');
    assert.match(job.error.detail, /late/, 'it says what would go down besides');
    assert.deepEqual([job.restored, job.down], ['not_needed', []]);
    const said = agent.life.sentences().filter((s) => / (stop|end)$/.test(s));
    assert.deepEqual(said, ['base stop', 'base end'], 'only the first job stopped anything');
    assert.deepEqual(await agent.states(), { base: 'running', late: 'running' });
  });
}

scenario('A job with a plan_digest that no longer fits when it begins ends plan_changed', async (agent) => {
  await agent.untilRunning('base');
  const { digest } = (await agent.act('restart', 'base', { dry_run: 1 })).body;
  agent.control('base', { stop: 'after 1000' });
  const first = await agent.accepted('restart', 'base');
  const second = await agent.accepted('start', 'late');
  const third = await agent.api.post('/v1/jobs', { action: 'restart', services: ['base'], dependents: 'include', plan_digest: digest });
  assert.equal(third.status, 202, third.text);
  await agent.waitJob(first.id);
  await agent.waitJob(second.id);
  const job = await agent.waitJob(third.body.id);
  assert.deepEqual([job.result, job.error.code], ['failed', 'plan_changed']);
});

scenario('A plan_digest that does not fit at once is refused with 412', async (agent) => {
  await agent.untilRunning('base');
  const { digest } = (await agent.act('restart', 'base', { dry_run: 1 })).body;
  await agent.done('start', 'late');

  const answer = await agent.api.post('/v1/jobs', { action: 'restart', services: ['base'], dependents: 'include', plan_digest: digest });

  assert.equal(answer.status, 412);
  const { digest: fresh } = (await agent.act('restart', 'base', { dry_run: 1, dependents: 'include' })).body;
  const again = await agent.api.post('/v1/jobs', { action: 'restart', services: ['base'], dependents: 'include', plan_digest: fresh });
  assert.equal(again.status, 202, again.text);
  assert.equal((await agent.waitJob(again.body.id)).result, 'succeeded');
});
