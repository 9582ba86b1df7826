// The agent as a Windows service over the estate of IIS 6 with Exchange 2003, asked from Linux by curl
// over TLS. One Windows under Wine for all cases: scripts/under-wine node --test tests/windows/estate.test.mjs
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lines, freePort, sleep } from '../e2e/harness/index.mjs';
import { Machine } from './machine.mjs';

const rounds = Number(process.env.NOFORCE_E2E_ROUNDS ?? 20);
const smtp = await freePort();
const machine = new Machine('nf-agent');
const tree = ['AntiSpam', 'IISADMIN', 'IMAP4Svc', 'MSExchangeMTA', 'NNTPSVC', 'POP3SVC', 'RESvc', 'SMTPSVC', 'W3SVC'];

before(async () => {
  machine.install('iis6');
  await machine.startAgent();
  // Wine starts what starts with Windows without what it depends on.
  for (const name of ['RpcSs', 'SamSs', 'EXIFS', 'HTTPFilter', 'IISADMIN', 'SMTPSVC', 'MSExchangeSA', 'W3SVC',
    'MSExchangeMTA', 'MSExchangeIS', 'AntiSpam', 'POP3SVC', 'IMAP4Svc', 'NNTPSVC', 'RESvc']) {
    const { result, error } = await machine.done('start', name); // one that starts with Windows may be up
    assert.ok(['succeeded', 'unchanged'].includes(result), `${name}: ${JSON.stringify(error)}`);
  }
});
after(() => machine.end(['IISADMIN', 'HTTPFilter', 'MSExchangeIS', 'MSExchangeSA']));

test('A list, a status, a dry run and a restart with consent, by curl over TLS', async () => {
  // W3SVC is paused, the FTP service is stopped on purpose; the mail's stop takes several wait hints.
  assert.equal((await machine.done('pause', 'W3SVC')).result, 'succeeded');
  machine.behave('SMTPSVC', ['stop = progress 3000 300', 'hint = 600']);
  const found = await machine.states();
  assert.equal(found.W3SVC, 'paused');
  assert.equal(found.MSFTPSVC, 'stopped');

  const list = machine.json('/v1/services?limit=1000');
  for (const name of [...tree, 'MSFTPSVC']) assert.ok(list.items.some((it) => it.name === name), name);
  const status = machine.json('/v1/services/iisadmin');
  assert.deepEqual([status.name, status.display_name, status.state, status.start_type],
    ['IISADMIN', 'IIS Admin Service', 'running', 'auto']);
  assert.deepEqual(status.depends_on, ['RpcSs', 'SamSs']);
  assert.ok(status.pid > 0);

  const dry = machine.json('/v1/services/IISADMIN/restart?dry_run=1', '--request', 'POST');
  assert.deepEqual([...dry.goes_down].sort(), tree);
  assert.deepEqual([dry.would_answer.status, dry.would_answer.code], [409, 'dependents_running']);

  const job = machine.json('/v1/services/IISADMIN/restart?dependents=include&wait=100', '--request', 'POST');
  assert.deepEqual([job.result, job.forced, job.down], ['succeeded', false, []]);
  const stops = job.steps.filter((it) => it.operation === 'stop');
  assert.deepEqual(stops.map((it) => it.service).sort(), tree);
  assert.equal(stops.at(-1).service, 'IISADMIN');
  for (const step of stops) {
    assert.ok(step.pid_before > 0 && step.pid_after === null, step.service);
    assert.ok(step.duration_ms >= 0);
  }
  const mail = stops.find((it) => it.service === 'SMTPSVC');
  assert.ok(mail.checkpoint >= 8 && mail.wait_hint_ms === 600, JSON.stringify(mail));
  assert.ok(mail.duration_ms >= 2900, `${mail.duration_ms}`);
  for (const step of job.steps.filter((it) => it.operation === 'start')) assert.ok(step.pid_after > 0, step.service);
  assert.deepEqual(await machine.states(), found);
  for (const name of tree) assert.equal(machine.events(name).filter((it) => it === 'stop').length, 1, name);
  machine.behave('SMTPSVC', []);
  assert.equal((await machine.done('continue', 'W3SVC')).result, 'succeeded');
});

test('A service that freezes is timed_out and alive', async () => {
  machine.behave('MSExchangeIS', ['stop = freeze 1000 200', 'hint = 400']);
  const { pid } = await machine.service('MSExchangeIS');
  const job = await machine.done('stop', 'MSExchangeIS', { no_progress_s: 2, deadline_s: 60 });
  assert.deepEqual([job.result, job.forced, job.error.code], ['timed_out', false, 'no_progress']);
  const hung = await machine.service('MSExchangeIS');
  assert.deepEqual([hung.state, hung.pid], ['stop_pending', pid]);
  assert.deepEqual(machine.events('MSExchangeIS').slice(-2), ['stop', 'stop hangs']);
  machine.behave('MSExchangeIS', []); // it goes on, in the same process, and ends in peace
  await machine.until('it stops', async () => (await machine.service('MSExchangeIS')).state === 'stopped');
  assert.equal(machine.events('MSExchangeIS').at(-1), 'stopped');
  assert.equal((await machine.done('start', 'MSExchangeIS')).result, 'succeeded');
});

test('A service that refuses is told by number and name', async () => {
  machine.behave('RESvc', ['accept = nothing']);
  await machine.until('it accepts nothing', async () => (await machine.service('RESvc')).accepts.length === 0);
  const job = await machine.done('stop', 'RESvc');
  assert.equal(job.result, 'failed');
  const { error } = job.steps[0];
  assert.deepEqual([error.code, error.native_code, error.native_name],
    ['control_not_accepted', 1052, 'ERROR_INVALID_SERVICE_CONTROL']);
  assert.equal((await machine.service('RESvc')).state, 'running');
  machine.behave('RESvc', []);
});

test('A service that dies while it stops is told apart from one that stopped', async () => {
  machine.behave('NNTPSVC', ['once = yes', 'stop = crash 3']);
  const died = await machine.done('stop', 'NNTPSVC');
  const stopped = await machine.done('stop', 'POP3SVC');
  assert.deepEqual([died.forced, stopped.forced], [false, false]);
  assert.match(died.steps[0].status_text, /ended without reporting that it stopped/);
  assert.equal(stopped.steps[0].status_text, null);
  assert.equal((await machine.service('NNTPSVC')).exit.code, 1067);
  assert.equal((await machine.service('POP3SVC')).exit.code, 0);
});

// Sends mail until all of it is accepted; the ids that were.
async function send(ids) {
  const accepted = [];
  const lines = await Lines.open({ port: smtp });
  for (const id of ids) if (await lines.ask(`MSG ${id}`) === `OK ${id}`) accepted.push(id);
  lines.close();
  return accepted;
}
const lost = (accepted) => {
  const written = new Set(machine.mail('SMTPSVC'));
  return accepted.filter((id) => !written.has(id));
};
const batch = (name) => Array.from({ length: 20 }, (_, n) => `${name}-${n}`);

test(`Mail: ended the IISReset way it is lost, through noforce none in ${rounds} rounds`, async () => {
  const flush = 1500;
  const patience = 500; // IISReset's own is 20 s, and a flush longer than that is what this is about
  assert.equal((await machine.done('stop', 'SMTPSVC', { dependents: 'include' })).result, 'succeeded');
  machine.behave('SMTPSVC', [`port = ${smtp}`, `flush = ${flush}`]);
  assert.equal((await machine.done('start', 'SMTPSVC')).result, 'succeeded');

  const kept = [];
  for (let round = 0; round < rounds; round += 1) {
    kept.push(...await send(batch(`gentle${round}`)));
    const job = await machine.done('restart', 'SMTPSVC', { dependents: 'include' });
    assert.deepEqual([job.result, job.forced], ['succeeded', false], JSON.stringify(job.error));
    const stop = job.steps.find((it) => it.service === 'SMTPSVC' && it.operation === 'stop');
    assert.ok(stop.duration_ms > patience, `${stop.duration_ms}`);
  }
  assert.equal(kept.length, rounds * 20);
  assert.deepEqual(lost(kept), []);

  // Beside it: asked, and then ended by force, as IISReset does it.
  const { pid } = await machine.service('SMTPSVC');
  const gone = await send(batch('forced'));
  machine.behave('SMTPSVC', [`port = ${smtp}`, 'flush = 60000']); // however slow this machine is
  machine.must(machine.wine('sc', 'stop', 'SMTPSVC'));
  await sleep(patience);
  machine.endByForce(pid);
  await machine.until('its process is gone', async () => (await machine.service('SMTPSVC')).state === 'stopped');
  assert.ok(lost(gone).length > 0, 'mail is lost');
  machine.behave('SMTPSVC', []);
  assert.equal((await machine.done('start', 'SMTPSVC')).result, 'succeeded');
});

test('An agent that is ended in mid-restart goes on where it was: the job ends once, the tree is as it was', async () => {
  machine.behave('W3SVC', ['stop = progress 2500 250']);
  const found = await machine.states();
  const stopsOf = (name) => machine.events(name).filter((it) => it === 'stop').length;
  const heard = stopsOf('W3SVC');
  const job = await machine.accepted('restart', 'IISADMIN', { dependents: 'include' });
  await machine.until('the stop is under way', async () => stopsOf('W3SVC') === heard + 1);
  machine.endByForce((await machine.service(machine.name)).pid);
  await machine.until('it starts again', async () =>
    machine.noforce('service', 'start', '--name', machine.name).status === 0, 60);
  await machine.untilServed();
  const ended = await machine.ended(job.id);
  assert.deepEqual([ended.result, ended.forced], ['succeeded', false], JSON.stringify(ended.error));
  assert.deepEqual(await machine.states(), found);
  assert.equal(stopsOf('W3SVC'), heard + 1, 'the service was asked once');
  const jobs = (await machine.client.get('/v1/jobs?action=restart&service=IISADMIN')).body.items;
  assert.equal(jobs.filter((it) => it.id === job.id).length, 1);
  machine.behave('W3SVC', []);
});
