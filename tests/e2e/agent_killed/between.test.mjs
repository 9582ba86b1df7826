// The worst moment for whoever sent a job: it is on disk, and the agent dies before it says so. The
// same request with the same key then finds the job, and none is made twice.
import assert from 'node:assert/strict';
import { existsSync, watch } from 'node:fs';
import { everyItem, scenarios, within } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const wanted = 5; // kills between acceptance and answer
const attempts = 60;

const restart = (agent, key) => agent.api.post('/v1/services/lone1/restart', undefined, { headers: { 'idempotency-key': key } });
const restarts = async (agent) => (await everyItem(agent.api, '/v1/jobs?action=restart')).map(({ id }) => id);

// Resolves when the journal has been written to: the commit is there, its answer is not yet.
function untilJournalMoves(agent) {
  const file = `${agent.state}/noforce.db-wal`;
  assert.ok(existsSync(file));
  return new Promise((resolve) => {
    const watcher = watch(file, () => {
      watcher.close();
      resolve();
    });
    watcher.unref();
  });
}

scenario('Killed between acceptance and answer, the same key gives the same job', async (agent) => {
  await agent.untilRunning('lone1');
  let hits = 0;
  let known = [];
  for (let n = 1; n <= attempts && hits < wanted; n += 1) {
    const key = `request-${n}`;
    const moved = untilJournalMoves(agent);
    const asked = restart(agent, key).then((answer) => answer.body.id, () => null);
    await within(10, 'the journal is written to', moved);
    await agent.kill();
    const heard = await asked;
    await agent.serve();

    const before = await restarts(agent);
    const repeated = await restart(agent, key);
    assert.ok([200, 202].includes(repeated.status), repeated.text);
    const after = await restarts(agent);
    assert.equal(after.length, known.length + 1, 'one job for both');
    assert.ok(!known.includes(repeated.body.id));
    if (heard !== null) assert.equal(repeated.body.id, heard);
    if (heard === null && before.length > known.length) {
      assert.deepEqual(before, after, 'it was there before it was asked for again');
      assert.equal(repeated.body.id, before[0]);
      assert.equal(repeated.headers['idempotency-replayed'], 'true');
      hits += 1;
    }
    assert.equal((await agent.waitJob(repeated.body.id)).result, 'succeeded');
    known = after;
  }
  assert.equal(agent.life.of('lone1', 'stop').length, known.length, 'each ran once');
  console.log(`${hits} kills between acceptance and answer in ${known.length} attempts`);
  assert.equal(hits, wanted, 'the moment was met');
});
