// What a credential may do, on real services. (The whole matrix of roles and routes is held
// against openapi.yaml's x-role in tests/contract.)
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const all = ['base', 'leaf', 'smtpsvc'];

scenario('Without a credential, or with a wrong one, there is no data', async (agent) => {
  await agent.untilRunning(...all);
  for (const token of [null, 'nf_wrong', `nf_${'A'.repeat(43)}`]) {
    const { status, headers, body } = await agent.as(token).get('/v1/services');
    assert.equal(status, 401);
    assert.match(headers['www-authenticate'], /^Bearer/);
    assert.equal(JSON.stringify(body).includes('smtpsvc'), false);
  }
  for (const path of ['/healthz', '/readyz', '/openapi.yaml']) assert.equal((await agent.as(null).get(path)).status, 200, path);
});

scenario('A viewer reads and does not act', async (agent) => {
  await agent.untilRunning(...all);
  const viewer = agent.as(await agent.token('dashboard', '--role', 'viewer'));
  assert.equal((await viewer.get('/v1/services/leaf')).status, 200);
  assert.equal((await viewer.get('/v1/jobs')).status, 200);
  assert.equal((await viewer.post('/v1/services/leaf/restart?dry_run=1')).status, 200, 'a plan is only to be seen');
  const mark = agent.life.mark();
  const refused = await viewer.post('/v1/services/leaf/restart');
  assert.equal(refused.status, 403);
  assert.equal((await viewer.get('/v1/audit')).status, 403);
  assert.deepEqual(agent.life.sentences(mark), []);
});

scenario('A narrowed operator acts on its services only, and that covers all that a plan touches', async (agent) => {
  await agent.untilRunning(...all);
  const narrow = agent.as(await agent.token('narrow', '--role', 'operator', '--service', 'base', '--service', 'smtp*', '--action', 'restart'));
  const smtp = await narrow.post('/v1/services/smtpsvc/restart?wait=30');
  assert.deepEqual([smtp.status, smtp.body.result, smtp.body.requested_by], [200, 'succeeded', 'token:narrow']);
  assert.equal((await narrow.post('/v1/services/smtpsvc/stop')).status, 403, 'another action');
  assert.ok([403, 404].includes((await narrow.post('/v1/services/leaf/restart')).status), 'another service');
  const tree = await narrow.post('/v1/services/base/restart?dependents=include');
  assert.equal(tree.status, 403, 'its dependent is not in the scope');
  assert.deepEqual(agent.life.of('base', 'stop'), []);
});

scenario('Lists, history, cancel and events are narrowed alike', async (agent) => {
  await agent.untilRunning(...all);
  const token = await agent.token('narrow', '--role', 'operator', '--service', 'smtp*');
  const narrow = agent.as(token);
  agent.control('leaf', { stop: 'after 1000' });
  const stream = await agent.stream();
  const foreign = await agent.accepted('restart', 'leaf');
  const own = (await narrow.post('/v1/services/smtpsvc/restart?wait=30')).body;

  assert.deepEqual((await narrow.get('/v1/services')).body.items.map((s) => s.name), ['smtpsvc']);
  assert.equal((await narrow.get('/v1/services/leaf')).status, 404);
  const seen = (await narrow.get('/v1/jobs')).body.items.filter((j) => j.requested_by !== 'agent');
  assert.deepEqual(seen.map((j) => j.id), [own.id]);
  assert.equal((await narrow.get(`/v1/jobs/${foreign.id}`)).status, 404);
  assert.ok([403, 404].includes((await narrow.post(`/v1/jobs/${foreign.id}/cancel`)).status));
  assert.equal((await agent.waitJob(foreign.id)).result, 'succeeded');
  stream.close();
});

scenario('An expired and a revoked token open nothing any more', async (agent) => {
  await agent.untilRunning(...all);
  const token = await agent.token('gone', '--role', 'viewer');
  const client = agent.as(token);
  assert.equal((await client.get('/v1/services')).status, 200);
  await agent.run('token', 'revoke', 'gone', '--config', agent.settings);
  const { status, body } = await client.get('/v1/services');
  assert.equal(status, 401);
  assert.match(body.detail, /revoked|token/);
});

scenario('The credential stands in the job and not in the log', async (agent) => {
  await agent.untilRunning(...all);
  const token = await agent.token('ci-deploy', '--role', 'operator');
  const { body } = await agent.as(token).post('/v1/services/leaf/restart?wait=30&reason=deploy%204711');
  assert.deepEqual([body.requested_by, body.reason], ['token:ci-deploy', 'deploy 4711']);
  assert.equal(agent.lastLog(10000).includes(token), false);
});
