// The same as estate.test.mjs over the services of IIS 7 and later: WAS, with W3SVC and the Net.* activators on it.
// scripts/under-wine node --test tests/windows/estate_iis7.test.mjs
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Machine } from './machine.mjs';

const machine = new Machine('nf-iis7');
const tree = ['NetMsmqActivator', 'NetPipeActivator', 'NetTcpActivator', 'W3SVC', 'WAS'];
const beside = ['RpcSs', 'MSMQ', 'NetTcpPortSharing', 'FTPSVC', 'IISADMIN'];

before(async () => {
  machine.install('iis7');
  await machine.startAgent(['[[group]]', 'name = "iis"', `services = [${tree.map((it) => `"${it}"`)}]`]);
  for (const name of [...beside, 'WAS', ...tree.slice(0, -1)]) {
    if ((await machine.service(name)).state === 'running') continue; // it starts with Windows, or another estate left it
    const { result, error } = await machine.done('start', name);
    assert.ok(['succeeded', 'unchanged'].includes(result), `${name}: ${JSON.stringify(error)}`);
  }
});
after(() => machine.end(['WAS', 'NetTcpPortSharing', 'MSMQ', 'FTPSVC', 'WMSVC', 'IISADMIN']));

const count = (name, event) => machine.events(name).filter((it) => it === event).length;
const sorted = (names) => [...names].sort();

test('A dry run of WAS names W3SVC and the activators, and does nothing', async () => {
  const found = await machine.states();
  const dry = machine.json('/v1/services/was/restart?dry_run=1', '--request', 'POST');
  assert.deepEqual(sorted(dry.goes_down), tree);
  assert.equal(dry.needs_consent, true);
  assert.deepEqual([dry.would_answer.status, dry.would_answer.code], [409, 'dependents_running']);
  const stops = dry.steps.filter((it) => it.operation === 'stop').map((it) => it.service);
  assert.equal(stops.at(-1), 'WAS');
  assert.deepEqual(await machine.states(), found);
  const refused = await machine.client.request('POST', '/v1/services/WAS/restart', { body: {} });
  assert.equal(refused.status, 409);
  assert.deepEqual(sorted(refused.body.dependents), tree.slice(0, -1));
});

test('A restart of WAS with consent brings back what ran, paused what was paused, and nothing else', async () => {
  assert.equal((await machine.done('pause', 'NetPipeActivator')).result, 'succeeded');
  assert.equal((await machine.done('stop', 'NetMsmqActivator')).result, 'succeeded'); // on purpose
  const found = await machine.states();
  assert.deepEqual([found.NetPipeActivator, found.NetMsmqActivator, found.WMSVC], ['paused', 'stopped', 'stopped']);
  const untouched = [];
  for (const name of beside) untouched.push((await machine.service(name)).pid);
  const moves = tree.map((name) => [name, count(name, 'stop'), count(name, 'pause'), count(name, 'running')]);

  const job = machine.json('/v1/services/WAS/restart?dependents=include&wait=100', '--request', 'POST');
  assert.deepEqual([job.result, job.forced, job.down], ['succeeded', false, []], JSON.stringify(job.error));
  assert.deepEqual(await machine.states(), found);
  const stops = job.steps.filter((it) => it.operation === 'stop').map((it) => it.service);
  assert.deepEqual(sorted(stops), ['NetPipeActivator', 'NetTcpActivator', 'W3SVC', 'WAS']);
  assert.equal(stops.at(-1), 'WAS');
  assert.equal(job.steps.find((it) => it.operation === 'start').service, 'WAS');
  for (const [name, stop, pause, running] of moves) {
    const moved = name === 'NetMsmqActivator' ? 0 : 1;
    assert.equal(count(name, 'stop'), stop + moved, name);
    assert.equal(count(name, 'running'), running + moved, name);
    assert.equal(count(name, 'pause'), pause + (name === 'NetPipeActivator' ? 1 : 0), name);
  }
  const pids = [];
  for (const name of beside) pids.push((await machine.service(name)).pid);
  assert.deepEqual(pids, untouched);
  assert.equal((await machine.done('continue', 'NetPipeActivator')).result, 'succeeded');
});

test('`iisreset` on these services is the group iis, and leaves down what was down', async () => {
  const found = await machine.states();
  assert.equal(found.NetMsmqActivator, 'stopped');
  const answer = await machine.client.request('POST', '/v1/groups/iis/restart?wait=100', { body: {} });
  assert.ok([200, 202].includes(answer.status), answer.text);
  const job = await machine.ended(answer.body.id);
  assert.deepEqual([job.result, job.down], ['succeeded', []], JSON.stringify(job.error));
  assert.deepEqual(await machine.states(), found);
});
