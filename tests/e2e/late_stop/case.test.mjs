// A restart whose service needs longer than its deadline: the job says so and is over, the service
// goes on with what it does, and when it has stopped at last everything comes up without anybody.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { askOnce, assertEndedOnce, assertLivedInOrder, everyItem, isAlive, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const tree = ['antispam', 'iisadmin', 'smtpsvc', 'w3svc'];
const deadline = { dependents: 'include', deadline_s: 2 };
const messages = Array.from({ length: 20 }, (_, i) => `message-${i}`);

// The spool holds messages, so its stop takes longer than the job may; and the job has ended so.
async function restartThatIsLate(agent, action = 'restart') {
  await agent.untilRunning(...tree);
  for (const id of messages) assert.equal(await askOnce({ port: agent.ports.SMTP }, `MSG ${id}`), `OK ${id}`);
  const { pid } = await agent.service('smtpsvc');
  const job = await agent.done(action, 'smtpsvc', deadline);
  assert.deepEqual([job.result, job.forced, job.error.code, job.error.service], ['timed_out', false, 'deadline_passed', 'smtpsvc']);
  assert.deepEqual(job.down, ['smtpsvc', 'antispam']);
  assert.ok(isAlive(pid), 'it is left alone');
  assert.equal((await agent.service('smtpsvc')).state, 'stop_pending');
  assert.deepEqual(agent.life.of('smtpsvc', 'end'), []);
  return job;
}

const children = async (agent, parent) => (await everyItem(agent.api, '/v1/jobs')).filter((job) => job.parent === parent.id);

// The agent's own job has brought everything up, once, and nothing that the spool held is lost.
async function assertCameBack(agent, job) {
  const settled = await agent.untilJob(job.id, (j) => j.restored !== 'pending', 'its restoring is decided');
  assert.deepEqual([settled.restored, settled.result, settled.down], ['complete', 'timed_out', []]);
  await agent.untilRunning(...tree);
  const found = await children(agent, job);
  assert.equal(found.length, 1, 'one job has done it');
  const [child] = found;
  assert.deepEqual([child.requested_by, child.action, child.state, child.result], ['agent', 'start', 'done', 'succeeded']);
  assert.deepEqual(child.steps.map((s) => `${s.operation} ${s.service}`), ['start smtpsvc', 'start antispam']);
  assert.deepEqual(readFileSync(`${agent.dir}/queue.txt`, 'utf8').split('\n').filter(Boolean), messages);
  assertLivedInOrder(agent.life, new Set(tree));
  for (const [name, times] of [['smtpsvc', 2], ['antispam', 2], ['w3svc', 1], ['iisadmin', 1]])
    assert.equal(agent.life.of(name, 'start').length, times, `starts of ${name}`);
  await assertEndedOnce(agent, await everyItem(agent.api, '/v1/jobs'));
}

scenario('It is timed out; when the spool is flushed, the rest comes by itself', async (agent) => {
  const job = await restartThatIsLate(agent);
  assert.equal(job.restored, 'pending');
  await assertCameBack(agent, job);
});

scenario('The root is late: the whole tree comes back after it, and what it saved is there', async (agent) => {
  await agent.untilRunning(...tree);
  const iisadmin = { path: `${agent.dir}/iisadmin.sock` };
  assert.equal(await askOnce(iisadmin, 'SET ServerComment changed'), 'OK');
  const mark = agent.life.mark();

  const job = await agent.done('restart', 'iisadmin', deadline);

  assert.deepEqual([job.result, job.error.service, job.restored], ['timed_out', 'iisadmin', 'pending']);
  assert.deepEqual([...job.down].sort(), tree);
  await agent.untilJob(job.id, (j) => j.restored === 'complete', 'its restoring is complete');
  await agent.untilRunning(...tree);
  assert.equal(await askOnce(iisadmin, 'GET ServerComment'), 'VALUE changed');
  const order = agent.life.sentences(mark).filter((s) => /(end|start)$/.test(s));
  const at = (sentence) => order.indexOf(sentence);
  assert.ok(at('iisadmin end') < at('iisadmin start') && at('iisadmin start') < at('w3svc start') &&
    at('iisadmin start') < at('smtpsvc start') && at('smtpsvc start') < at('antispam start'), order.join(', '));
  assert.equal((await children(agent, job)).length, 1);
  assertLivedInOrder(agent.life, new Set(tree));
});

scenario('The agent is killed after the time-out: the next one waits on', async (agent) => {
  const job = await restartThatIsLate(agent);
  await agent.kill();
  await agent.serve();
  assert.deepEqual(agent.life.of('smtpsvc', 'end'), [], 'still flushing');
  assert.equal((await agent.job(job.id)).restored, 'pending');
  await assertCameBack(agent, job);
});

scenario('The late end comes while there is no agent: the next one sees it', async (agent) => {
  const job = await restartThatIsLate(agent);
  await agent.kill();
  await agent.life.until('smtpsvc end');
  await agent.serve();
  await assertCameBack(agent, job);
});

scenario('The agent is killed while it brings the rest up: the next one goes on with the same job', async (agent) => {
  const job = await restartThatIsLate(agent);
  const mark = agent.life.mark();
  await agent.life.until('smtpsvc start', mark);
  await agent.kill();
  await agent.serve();
  await assertCameBack(agent, job);
});

scenario('Who wants it stopped meanwhile gets that: nothing is started', async (agent) => {
  const job = await restartThatIsLate(agent);
  const stop = await agent.accepted('stop', 'smtpsvc', { dependents: 'include' });
  await agent.kill();
  await agent.serve();

  assert.equal((await agent.waitJob(stop.id)).result, 'succeeded');

  const settled = await agent.untilJob(job.id, (j) => j.restored !== 'pending', 'its restoring is decided');
  assert.deepEqual((await children(agent, job)).map(({ services }) => services), [], 'antispam cannot run without it');
  assert.deepEqual([settled.restored, settled.down], ['incomplete', ['smtpsvc', 'antispam']]);
  assert.deepEqual([(await agent.service('smtpsvc')).state, (await agent.service('antispam')).state], ['stopped', 'stopped']);
  assert.equal(agent.life.of('smtpsvc', 'stop').length, 1, 'it was asked once, for both jobs');
  assert.equal(agent.life.of('smtpsvc', 'start').length, 1);
  assert.equal(agent.life.of('antispam', 'start').length, 1);
});

scenario('Who sends the restart again gets one: both jobs together bring everything up', async (agent) => {
  const job = await restartThatIsLate(agent);

  const again = await agent.done('restart', 'smtpsvc', { dependents: 'include', deadline_s: 60 });

  assert.equal(again.result, 'succeeded');
  const settled = await agent.untilJob(job.id, (j) => j.restored !== 'pending', 'its restoring is decided');
  assert.deepEqual([settled.restored, settled.down], ['complete', []]);
  await agent.untilRunning(...tree);
  assertLivedInOrder(agent.life, new Set(tree));
  for (const name of ['smtpsvc', 'antispam']) assert.equal(agent.life.of(name, 'start').length, 2, `starts of ${name}`);
  assert.deepEqual(readFileSync(`${agent.dir}/queue.txt`, 'utf8').split('\n').filter(Boolean), messages);
});

scenario('A stop that is late is what was wanted: nothing is started either', async (agent) => {
  const job = await restartThatIsLate(agent, 'stop');
  assert.equal(job.restored, 'incomplete');
  await agent.kill();
  await agent.life.until('smtpsvc end');
  await agent.serve();

  const marker = await agent.done('restart', 'w3svc'); // the agent is through with what it found

  assert.equal(marker.result, 'succeeded');
  assert.deepEqual(await children(agent, job), []);
  assert.deepEqual([(await agent.service('smtpsvc')).state, (await agent.service('antispam')).state], ['stopped', 'stopped']);
});
