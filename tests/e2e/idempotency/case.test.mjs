// The same request sent twice, because nobody knows whether the first arrived, is one job.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const restart = (client, key, query = '') => client.post(`/v1/services/web/restart${query}`, undefined, { headers: { 'idempotency-key': key } });

scenario('The same key and request give the same job, running or done', async (agent) => {
  await agent.untilRunning('web');
  agent.control('web', { stop: 'after 500' });

  const answers = await Promise.all(Array.from({ length: 8 }, () => restart(agent.api, '"deploy-4711"')));

  for (const { status } of answers) assert.ok([200, 202].includes(status));
  const ids = new Set(answers.map((a) => a.body.id));
  assert.equal(ids.size, 1);
  const [id] = ids;
  await agent.waitJob(id);
  const later = await restart(agent.api, 'deploy-4711', '?wait=10');
  assert.deepEqual([later.status, later.body.id], [200, id], 'a bare key is the same as a quoted one, and wait is no other request');
  assert.equal(agent.life.of('web', 'stop').length, 1);
});

scenario('The same key with another request is refused', async (agent) => {
  await agent.untilRunning('web');
  const first = await restart(agent.api, '"k"');
  const other = await restart(agent.api, '"k"', '?deadline_s=33');
  assert.equal(other.status, 422);
  assert.match(other.body.detail, /Idempotency-Key|key/);
  await agent.waitJob(first.body.id);
});

scenario('The key outlives the agent', async (agent) => {
  await agent.untilRunning('web');
  agent.control('web', { stop: 'after 800' });
  const first = await restart(agent.api, '"k"');
  await agent.kill();
  await agent.serve();

  const again = await restart(agent.api, '"k"', '?wait=30');

  assert.equal(again.body.id, first.body.id);
  assert.equal(again.body.result, 'succeeded');
  assert.equal(agent.life.of('web', 'stop').length, 1);
});

scenario('A key belongs to one credential', async (agent) => {
  await agent.untilRunning('web');
  const ci = agent.as(await agent.token('ci', '--role', 'operator'));
  const [mine, theirs] = [await restart(agent.api, '"k"'), await restart(ci, '"k"')];
  assert.notEqual(mine.body.id, theirs.body.id);
  await agent.waitJob(theirs.body.id);
});

scenario('A refusal uses no key up', async (agent) => {
  await agent.untilRunning('web');
  const headers = { 'idempotency-key': '"k"' };
  const refused = await agent.api.post('/v1/services/nobody/restart', undefined, { headers });
  assert.equal(refused.status, 404);
  assert.equal((await restart(agent.api, '"k"', '?wait=10')).status, 200);
});
