// The disk under the state directory fills up while jobs run and wait, and is emptied again. What was
// accepted ends, nothing new is taken meanwhile, and nobody has to come and help.
import assert from 'node:assert/strict';
import { within } from '../harness/index.mjs';
import { isInPrivateMounts, scenariosOnSmallDisk, serveUnready } from './small_disk.mjs';

if (isInPrivateMounts(import.meta.url)) {
  const scenario = scenariosOnSmallDisk(import.meta.url);
  const all = ['base', 'slow', 'aside'];

  const isFull = /[Tt]he disk that holds the journal is full; free at least \d+ MiB/;

  function assertRefused(answer) {
    assert.equal(answer.status, 503);
    assert.equal(answer.body.code, 'journal_unavailable');
    assert.match(answer.body.detail, isFull);
    assert.ok(Number(answer.headers['retry-after']) > 0);
  }

  // Takes jobs until one is refused for want of room: the log may have had some left. Their ids.
  async function untilRefused(agent) {
    const taken = [];
    for (let n = 0; n < 2000; n += 1) {
      const answer = await agent.act('start', 'aside');
      if (answer.status === 503) {
        assertRefused(answer);
        return taken;
      }
      taken.push(answer.body.id);
    }
    throw new Error('the disk is full, and jobs are taken without end');
  }

  async function assertReadable(agent) {
    for (const path of ['/healthz', '/v1/services', '/v1/jobs', '/v1/jobs?state=queued', '/v1/audit', '/v1/hold']) {
      assert.equal((await agent.api.get(path)).status, 200, path);
    }
    const ready = await agent.api.get('/readyz');
    assert.equal(ready.status, 503);
    assert.match(ready.body.detail, isFull);
    const { journal } = (await agent.api.get('/v1/agent')).body;
    assert.equal(journal.healthy, false);
    assert.match(journal.detail, isFull);
  }

  async function assertAllEnd(agent, ids) {
    for (const id of ids) {
      const job = await agent.waitJob(id);
      assert.ok(['succeeded', 'unchanged'].includes(job.result), `${id}: ${job.result} ${JSON.stringify(job.error)}`);
    }
    const states = await agent.states();
    for (const name of all) assert.equal(states[name], 'running', name);
  }

  async function assertWhole(agent) {
    assert.match((await agent.run('audit', 'verify', '--config', agent.settings)).stdout, /none changed, added or missing/);
    const { stdout } = await agent.run('backup', '--config', agent.settings, `${agent.dir}/copy-${Date.now()}.db`);
    assert.match(stdout, /checked, nothing is damaged/); // PRAGMA integrity_check, among others
  }

  scenario('A restart under way ends although the disk is full, and nothing new is taken until there is room', async (agent, disk) => {
    await agent.untilRunning(...all);
    agent.control('slow', { stop: 'after 2000' });
    const mark = agent.life.mark();
    const running = await agent.accepted('restart', 'base', { dependents: 'include' });
    const queued = [];
    for (let n = 0; n < 3; n += 1) queued.push(await agent.accepted('restart', 'slow'));
    await agent.life.until('slow stop', mark);
    disk.fill();

    const taken = await untilRefused(agent);
    for (let n = 0; n < 20; n += 1) assertRefused(await agent.act('restart', 'aside'));
    await assertReadable(agent);
    const done = await agent.waitJob(running.id);
    assert.deepEqual([done.result, done.down, done.forced], ['succeeded', [], false]);
    assert.equal((await agent.api.get('/readyz')).status, 503, 'it is still full');

    disk.empty();
    await within(10, 'it is ready again', agent.readiness());
    await assertAllEnd(agent, [...queued, ...taken.map((id) => ({ id })), await agent.accepted('restart', 'aside')].map((job) => job.id));
    await assertWhole(agent);
  });

  scenario('Killed and started again on a full disk, the agent has lost nothing', async (agent, disk) => {
    await agent.untilRunning(...all);
    agent.control('slow', { stop: 'after 2000' });
    const mark = agent.life.mark();
    const accepted = [await agent.accepted('restart', 'slow')];
    for (let n = 0; n < 5; n += 1) accepted.push(await agent.accepted('restart', 'slow'));
    await agent.life.until('slow stop', mark);
    disk.fill();
    const taken = await untilRefused(agent);

    await agent.kill();
    disk.fill(); // also what the end of a process gave back
    await serveUnready(agent);
    await assertReadable(agent);
    assertRefused(await agent.act('restart', 'aside'));
    for (const { id } of accepted) assert.equal((await agent.job(id)).id, id);
    await agent.kill();
    await serveUnready(agent);

    disk.empty();
    await within(10, 'it is ready again', agent.readiness());
    await assertAllEnd(agent, [...accepted.map((job) => job.id), ...taken]);
    assert.equal((await agent.done('restart', 'aside')).result, 'succeeded');
    await assertWhole(agent);
  });
}
