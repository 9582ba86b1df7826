// The audit trail: who asked for what and what came of it, also where it was refused; and whether
// somebody has changed it since.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const rows = async (agent, query = 'limit=1000') => (await agent.api.get(`/v1/audit?${query}`)).body.items;

scenario('What was asked, by whom, and what came of it', async (agent) => {
  await agent.untilRunning('web', 'leaf');
  const ci = agent.as(await agent.token('ci', '--role', 'operator'));
  const job = (await ci.post('/v1/services/leaf/restart?wait=30&reason=deploy%204711')).body;

  const trail = await rows(agent);

  const accepted = trail.find((r) => r.event === 'job.accepted' && r.job === job.id);
  assert.deepEqual([accepted.principal, accepted.outcome, accepted.services], ['token:ci', 'ok', ['leaf']]);
  assert.match(accepted.address, /^127\.0\.0\.1/);
  assert.match(accepted.detail, /deploy 4711/);
  const done = trail.find((r) => r.event === 'job.done' && r.job === job.id);
  assert.equal(done.outcome, 'succeeded');
  assert.ok(trail.some((r) => r.event === 'token.created'));
  assert.ok(done.number > accepted.number);
});

scenario('What was refused is there too', async (agent) => {
  await agent.untilRunning('web', 'leaf');
  const viewer = agent.as(await agent.token('dashboard', '--role', 'viewer'));
  await viewer.post('/v1/services/leaf/restart');
  await agent.act('restart', 'web');
  await agent.as(null).get('/v1/services');

  const trail = await rows(agent);

  assert.ok(trail.some((r) => r.principal === 'token:dashboard' && r.outcome === 'forbidden'), 'the viewer');
  assert.ok(trail.some((r) => r.event === 'job.refused' && r.outcome === 'dependents_running'), 'the conflict');
  await agent.end();
  const { stdout } = await agent.run('audit', 'show', '--limit', '1000', '--config', agent.settings);
  assert.match(stdout, /denied unauthorized anonymous 127\.0\.0\.1/, 'the one without a credential');
  await agent.serve();
});

scenario('Its rows are numbered without gaps, page without repeats, and its chain holds', async (agent) => {
  await agent.untilRunning('web', 'leaf');
  for (let i = 0; i < 10; i += 1) await agent.done('start', 'leaf');
  await agent.kill();
  await agent.serve();

  const numbers = [];
  let token = '';
  do {
    const { body } = await agent.api.get(`/v1/audit?limit=3${token && `&page_token=${encodeURIComponent(token)}`}`);
    numbers.push(...body.items.map((r) => r.number));
    token = body.next_page_token;
  } while (token);

  const newest = numbers[0];
  assert.ok(newest >= 20);
  assert.deepEqual(numbers, Array.from({ length: newest }, (_, i) => newest - i));
  const { stdout } = await agent.run('audit', 'verify', '--config', agent.settings);
  assert.match(stdout, /head: [0-9a-f]{64}/);
});

scenario('A filter finds the rows of one credential', async (agent) => {
  await agent.untilRunning('web', 'leaf');
  const ci = agent.as(await agent.token('ci', '--role', 'operator'));
  await ci.post('/v1/services/leaf/restart?wait=30');
  await agent.done('restart', 'leaf');
  const own = await rows(agent, 'principal=token:ci');
  assert.ok(own.length >= 1);
  assert.deepEqual([...new Set(own.map((r) => r.principal))], ['token:ci']);
});
