// The agent is killed in the middle of its work and started again: each accepted job ends once,
// nothing stays down, no stop is sent twice and no service runs twice.
import assert from 'node:assert/strict';
import { isAlive, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const tree = ['antispam', 'iisadmin', 'pop3svc', 'smtpsvc', 'w3svc'];

// What happened to each since the mark: exactly one restart.
function assertRestartedOnce(agent, mark, names) {
  for (const name of names) {
    const said = agent.life.since(mark).filter((e) => e.name === name).map((e) => e.event);
    assert.deepEqual(said, ['stop', 'end', 'start', 'ready'], name);
  }
}

async function assertAllUp(agent) {
  const states = await agent.states();
  for (const name of tree) assert.equal(states[name], 'running', name);
}

for (const [when, moment] of [
  ['while a service stops', 'smtpsvc stop'],
  ['between the stops and the starts', 'iisadmin stop'],
  ['while services start', 'iisadmin ready'],
]) {
  scenario(`Killed ${when}, the agent goes on where it was`, async (agent) => {
    await agent.untilRunning(...tree);
    const mark = agent.life.mark();
    const job = await agent.accepted('restart', 'iisadmin', { dependents: 'include' });
    await agent.life.until(moment, mark);

    await agent.kill();
    await agent.serve();

    const done = await agent.waitJob(job.id);
    assert.deepEqual([done.result, done.restored, done.forced, done.down], ['succeeded', 'not_needed', false, []]);
    await assertAllUp(agent);
    assertRestartedOnce(agent, mark, tree);
    const { body } = await agent.api.get('/v1/jobs?action=restart');
    assert.deepEqual(body.items.map((j) => j.id), [job.id], 'it is one job, and it ended once');
  });
}

scenario('The services do not notice that the agent died', async (agent) => {
  await agent.untilRunning(...tree);
  const pids = await Promise.all(tree.map(async (name) => (await agent.service(name)).pid));
  const mark = agent.life.mark();
  await agent.kill();
  for (const pid of pids) assert.ok(isAlive(pid));
  await agent.serve();
  await agent.untilRunning(...tree);
  assert.deepEqual(await Promise.all(tree.map(async (name) => (await agent.service(name)).pid)), pids);
  assert.deepEqual(agent.life.sentences(mark), []);
});

scenario('What happened while there was no agent is taken as it is', async (agent) => {
  await agent.untilRunning(...tree);
  const mark = agent.life.mark();
  const job = await agent.accepted('restart', 'iisadmin', { dependents: 'include' });
  await agent.life.until('smtpsvc stop', mark);
  await agent.kill();
  await agent.life.until('smtpsvc end', mark); // two seconds later, seen by the keeper alone

  await agent.serve();

  assert.equal((await agent.waitJob(job.id)).result, 'succeeded');
  await assertAllUp(agent);
  assertRestartedOnce(agent, mark, tree);
});

scenario('Queued jobs are still queued after it, and run in their order', async (agent) => {
  await agent.untilRunning('aside', ...tree);
  agent.control('aside', { stop: 'after 1500' });
  const mark = agent.life.mark();
  const jobs = [];
  for (let i = 0; i < 3; i += 1) jobs.push(await agent.accepted('restart', 'aside'));
  await agent.life.until('aside stop', mark);

  await agent.kill();
  await agent.serve();

  const done = [];
  for (const { id } of jobs) done.push(await agent.waitJob(id));
  assert.deepEqual(done.map((j) => j.result), ['succeeded', 'succeeded', 'succeeded']);
  for (let i = 1; i < 3; i += 1) assert.ok(done[i].started_at >= done[i - 1].finished_at);
  assert.equal(agent.life.since(mark).filter((e) => e.event === 'stop').length, 3);
});

scenario('Killed again and again, it still ends the job once', async (agent) => {
  await agent.untilRunning(...tree);
  const mark = agent.life.mark();
  const job = await agent.accepted('restart', 'iisadmin', { dependents: 'include' });
  for (const moment of ['antispam stop', 'smtpsvc stop', 'iisadmin stop', 'iisadmin start', 'smtpsvc start']) {
    await agent.life.until(moment, mark);
    await agent.kill();
    await agent.serve();
  }
  const done = await agent.waitJob(job.id);
  assert.deepEqual([done.result, done.restored], ['succeeded', 'not_needed']);
  await assertAllUp(agent);
  assertRestartedOnce(agent, mark, tree);
});

scenario('A second agent on the same state directory is refused', async (agent) => {
  await agent.untilRunning(...tree);
  await assert.rejects(agent.run('serve', '--config', agent.settings), (error) => {
    assert.match(error.stderr, /state|lock|already|running/i);
    return error.code !== 0;
  });
  await assertAllUp(agent);
});
