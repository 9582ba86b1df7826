// A restart of a tree: asked for consent, in order, and restored exactly.
import assert from 'node:assert/strict';
import { askOnce, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const all = ['antispam', 'iisadmin', 'pop3svc', 'smtpsvc', 'w3svc'];
const dependents = ['antispam', 'pop3svc', 'smtpsvc', 'w3svc'];

// Both stand in the record after the mark, the first before the second.
function assertOrder(agent, mark, first, second) {
  const said = agent.life.sentences(mark);
  const [a, b] = [said.indexOf(first), said.indexOf(second)];
  assert.ok(a >= 0 && b >= 0 && a < b, `'${first}' before '${second}' in:\n${said.join('\n')}`);
}

scenario('A restart that would take running dependents down is refused and names them', async (agent) => {
  await agent.untilRunning(...all);
  const mark = agent.life.mark();

  const { status, body } = await agent.act('restart', 'iisadmin');

  assert.equal(status, 409);
  assert.equal(body.code, 'dependents_running');
  assert.equal(body.service, 'iisadmin');
  assert.deepEqual([...body.dependents].sort(), dependents);
  for (const name of dependents) assert.match(body.detail, new RegExp(name));
  assert.match(body.detail, /dependents=include|"dependents":\s*"include"/, 'detail says what to do next');
  assert.deepEqual(agent.life.sentences(mark), [], 'nothing was touched');
});

scenario('A dry run shows what would go down and what the real call would answer', async (agent) => {
  await agent.untilRunning(...all);
  const mark = agent.life.mark();

  const { status, body } = await agent.act('restart', 'iisadmin', { dry_run: 1 });

  assert.equal(status, 200);
  assert.deepEqual([...body.goes_down].sort(), all);
  assert.equal(body.needs_consent, true);
  assert.deepEqual([body.would_answer.status, body.would_answer.code], [409, 'dependents_running']);
  assert.equal(body.steps.filter((s) => s.operation === 'stop').length, 5);
  assert.deepEqual(agent.life.sentences(mark), []);
  const consented = await agent.act('restart', 'iisadmin', { dry_run: 1, dependents: 'include' });
  assert.equal(consented.body.would_answer.status, 202);
});

scenario('With consent the tree stops and starts in order and nothing in memory is lost', async (agent) => {
  await agent.untilRunning(...all);
  assert.equal(await askOnce({ path: `${agent.dir}/iisadmin.sock` }, 'SET ServerComment default site'), 'OK');
  assert.equal(await askOnce({ port: agent.ports.SMTP }, 'MSG first'), 'OK first');
  const before = Object.fromEntries(await Promise.all(all.map(async (name) => [name, (await agent.service(name)).pid])));
  const mark = agent.life.mark();

  const job = await agent.done('restart', 'iisadmin', { dependents: 'include', reason: 'the test' });

  assert.deepEqual([job.result, job.restored, job.forced, job.down], ['succeeded', 'not_needed', false, []]);
  assert.equal(job.reason, 'the test');
  assertOrder(agent, mark, 'antispam end', 'smtpsvc stop');
  for (const name of ['w3svc', 'smtpsvc', 'pop3svc']) {
    assertOrder(agent, mark, `${name} end`, 'iisadmin stop');
    assertOrder(agent, mark, 'iisadmin ready', `${name} start`);
  }
  assertOrder(agent, mark, 'smtpsvc ready', 'antispam start');
  for (const name of all) {
    const service = await agent.service(name);
    assert.equal(service.state, 'running', name);
    assert.notEqual(service.pid, before[name], `${name} has another pid`);
    assert.equal(agent.life.since(mark).filter((e) => e.name === name && e.event === 'stop').length, 1, `${name} was asked once`);
    const stop = job.steps.find((s) => s.service === name && s.operation === 'stop');
    const start = job.steps.find((s) => s.service === name && s.operation === 'start');
    assert.deepEqual([stop.result, stop.pid_before, stop.pid_after], ['succeeded', before[name], null]);
    assert.deepEqual([start.result, start.pid_after], ['succeeded', service.pid]);
  }
  assert.equal(await askOnce({ path: `${agent.dir}/iisadmin.sock` }, 'GET ServerComment'), 'VALUE default site');
});

scenario('What was paused is paused again and what was stopped is still stopped', async (agent) => {
  await agent.untilRunning(...all);
  assert.equal((await agent.done('pause', 'pop3svc')).result, 'succeeded');
  assert.equal((await agent.done('stop', 'w3svc')).result, 'succeeded');
  const mark = agent.life.mark();

  const job = await agent.done('restart', 'iisadmin', { dependents: 'include' });

  assert.deepEqual([job.result, job.restored, job.down], ['succeeded', 'not_needed', []]);
  assert.deepEqual(await agent.states(), {
    antispam: 'running', iisadmin: 'running', pop3svc: 'paused', smtpsvc: 'running', w3svc: 'stopped',
  });
  assert.equal(agent.life.since(mark).some((e) => e.name === 'w3svc'), false, 'w3svc was left alone');
  assert.ok(agent.life.sentences(mark).includes('pop3svc ready'), 'pop3svc was restarted, not left paused');
  assert.equal((await agent.done('continue', 'pop3svc')).result, 'succeeded');
  assert.equal((await agent.service('pop3svc')).state, 'running');
});

scenario('A service named in a restart ends running, also when it was stopped', async (agent) => {
  await agent.untilRunning(...all);
  await agent.done('stop', 'w3svc');
  const job = await agent.done('restart', 'w3svc');
  assert.equal(job.result, 'succeeded');
  assert.equal((await agent.service('w3svc')).state, 'running');
});

scenario('A group restarts as one job and a member that was stopped stays so', async (agent) => {
  await agent.untilRunning(...all);
  await agent.done('stop', 'w3svc');

  const answer = await agent.api.post('/v1/groups/iis/restart?dependents=include&wait=60');

  assert.equal(answer.status, 200);
  assert.equal(answer.body.group, 'iis');
  assert.equal(answer.body.result, 'succeeded');
  assert.equal((await agent.service('w3svc')).state, 'stopped');
  assert.equal((await agent.service('antispam')).state, 'running');
});

scenario('Stop of a stopped and start of a running service are unchanged', async (agent) => {
  await agent.untilRunning(...all);
  assert.equal((await agent.done('start', 'w3svc')).result, 'unchanged');
  await agent.done('stop', 'w3svc');
  assert.equal((await agent.done('stop', 'w3svc')).result, 'unchanged');
});

scenario('A start brings up what the service depends on and nothing that depends on it', async (agent) => {
  await agent.untilRunning(...all);
  assert.equal((await agent.done('stop', 'iisadmin', { dependents: 'include' })).result, 'succeeded');
  assert.deepEqual(new Set(Object.values(await agent.states())), new Set(['stopped']));

  assert.equal((await agent.done('start', 'antispam')).result, 'succeeded');

  assert.deepEqual(await agent.states(), {
    antispam: 'running', iisadmin: 'running', pop3svc: 'stopped', smtpsvc: 'running', w3svc: 'stopped',
  });
});
