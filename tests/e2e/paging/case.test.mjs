// A list that is paged through while it grows has no gaps and no repeats.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const names = Array.from({ length: 20 }, (_, i) => `s${i}`);
const total = Number(process.env.NOFORCE_E2E_JOBS ?? 10000);

// Jobs that are done at once: the service runs already. Their ids.
async function makeJobs(agent, count, clients = 16) {
  const ids = [];
  let asked = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (asked < count) {
      asked += 1;
      ids.push((await agent.accepted('start', names[asked % names.length])).id);
    }
  }));
  return ids;
}

async function pages(agent, query, between = async () => {}) {
  const ids = [];
  let token = '';
  do {
    const { status, body, text } = await agent.api.get(`/v1/jobs?${query}${token && `&page_token=${encodeURIComponent(token)}`}`);
    assert.equal(status, 200, text);
    // The agent's own jobs started the services.
    ids.push(...body.items.filter((j) => j.requested_by !== 'agent').map((j) => j.id));
    token = body.next_page_token;
    await between(body);
  } while (token);
  return ids;
}

scenario(`Paging over ${total} jobs finds each once while new ones arrive`, async (agent) => {
  await agent.untilRunning(...names);
  const made = await makeJobs(agent, total);
  assert.equal(new Set(made).size, total);

  let arrived = [];
  const found = await pages(agent, 'limit=500', async (page) => {
    assert.ok(page.items.length <= 500);
    arrived = arrived.concat(await makeJobs(agent, 5, 5));
  });

  assert.equal(new Set(found).size, found.length, 'no job comes twice');
  const seen = new Set(found);
  assert.deepEqual(made.filter((id) => !seen.has(id)), [], 'none is left out');
  const known = new Set([...made, ...arrived]);
  assert.deepEqual(found.filter((id) => !known.has(id)), [], 'none is invented');
  const sorted = [...found].sort();
  assert.ok([sorted.join(), sorted.reverse().join()].includes(found.join()), 'they come in order');
}, { limit: 200 });

scenario('Filters and pages go together', async (agent) => {
  await agent.untilRunning(...names);
  const made = await makeJobs(agent, 60);
  await agent.waitJob(made.at(-1));
  const stop = await agent.done('stop', 's3');

  const unchanged = await pages(agent, 'limit=7&result=unchanged');
  assert.deepEqual(unchanged.filter((id) => id === stop.id), []);
  assert.deepEqual(await pages(agent, 'limit=1&action=stop'), [stop.id]);
  assert.equal((await pages(agent, 'limit=2&service=s3')).length, 60 / names.length + 1);
  assert.deepEqual(await pages(agent, `limit=2&since=${encodeURIComponent(stop.created_at)}&action=stop`), [stop.id]);
  assert.deepEqual(await pages(agent, 'limit=2&state=queued'), []);
});

scenario('A limit out of range and a page token of nobody are refused', async (agent) => {
  for (const query of ['limit=0', 'limit=1001', 'limit=many', 'page_token=nonsense', 'state=asleep']) {
    const { status, body } = await agent.api.get(`/v1/jobs?${query}`);
    assert.equal(status, 422, query);
    assert.ok(body.detail.length > 0);
  }
});

scenario('Services page too, and filter by state and name', async (agent) => {
  await agent.untilRunning(...names);
  await agent.done('stop', 's4');
  const found = [];
  let token = '';
  do {
    const { body } = await agent.api.get(`/v1/services?limit=3${token && `&page_token=${encodeURIComponent(token)}`}`);
    found.push(...body.items.map((s) => s.name));
    token = body.next_page_token;
  } while (token);
  assert.deepEqual(found, [...names].sort());
  const stopped = await agent.api.get('/v1/services?state=stopped');
  assert.deepEqual(stopped.body.items.map((s) => s.name), ['s4']);
  const globbed = await agent.api.get('/v1/services?q=s1*');
  assert.equal(globbed.body.items.length, 11);
});
