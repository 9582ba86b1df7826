// Jobs that touch the same services run in order of acceptance; others run side by side.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);

async function assertOneAfterTheOther(agent, asked) {
  const jobs = [];
  for (const { id } of asked) jobs.push(await agent.waitJob(id));
  for (let i = 1; i < jobs.length; i += 1) {
    assert.ok(jobs[i].id > jobs[i - 1].id, 'ids grow in order of acceptance');
    assert.ok(jobs[i].started_at >= jobs[i - 1].finished_at, `${i} began at ${jobs[i].started_at}, ${i - 1} ended at ${jobs[i - 1].finished_at}`);
  }
  return jobs.map((j) => j.result);
}

scenario('Jobs on one tree run one after the other, in order of acceptance', async (agent) => {
  await agent.untilRunning('left', 'left-leaf');
  agent.control('left-leaf', { stop: 'after 300' });
  const mark = agent.life.mark();
  const asked = [];
  for (const [action, name] of [['stop', 'left-leaf'], ['restart', 'left'], ['start', 'left-leaf'], ['restart', 'left-leaf']]) {
    asked.push(await agent.accepted(action, name));
    await agent.life.until('left-leaf stop', mark); // from here on it takes no consent to stop `left`
  }

  assert.deepEqual(await assertOneAfterTheOther(agent, asked), Array(4).fill('succeeded'));

  const turn = (name) => [`${name} stop`, `${name} end`, `${name} start`, `${name} ready`];
  assert.deepEqual(agent.life.sentences(mark), [
    'left-leaf stop', 'left-leaf end', ...turn('left'), 'left-leaf start', 'left-leaf ready', ...turn('left-leaf'),
  ]);
});

scenario('A second restart of a tree, asked for while the first is under way, is carried out too', async (agent) => {
  await agent.untilRunning('left', 'left-leaf');
  agent.control('left-leaf', { stop: 'after 300' });
  const asked = [];
  for (let i = 0; i < 3; i += 1) {
    asked.push(await agent.accepted('restart', 'left', { dependents: 'include' }));
    await agent.life.until('left-leaf stop');
  }

  assert.deepEqual(await assertOneAfterTheOther(agent, asked), Array(3).fill('succeeded'));

  assert.deepEqual(await agent.states().then((s) => [s.left, s['left-leaf']]), ['running', 'running']);
});

scenario('Jobs on two trees run side by side', async (agent) => {
  await agent.untilRunning('left', 'left-leaf', 'right');
  agent.control('left', { stop: 'after 1500' });
  agent.control('right', { stop: 'after 1500' });

  const [a, b] = await Promise.all([
    agent.done('restart', 'left', { dependents: 'include' }),
    agent.done('restart', 'right'),
  ]);

  assert.deepEqual([a.result, b.result], ['succeeded', 'succeeded']);
  assert.ok(a.started_at < b.finished_at && b.started_at < a.finished_at, 'they overlap');
});

scenario('A dependent and what it depends on count as one tree, named or not', async (agent) => {
  await agent.untilRunning('left', 'left-leaf');
  agent.control('left', { stop: 'after 1000' });
  const first = await agent.accepted('restart', 'left', { dependents: 'include' });
  const second = await agent.accepted('restart', 'left-leaf');
  assert.equal((await agent.job(second.id)).state, 'queued');
  const [a, b] = [await agent.waitJob(first.id), await agent.waitJob(second.id)];
  assert.ok(b.started_at >= a.finished_at);
});
