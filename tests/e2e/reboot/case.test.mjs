// The machine loses its power in the middle of a restart and comes up again: everything is gone at
// once, and the boot id is another one. The agent sees that in a mount namespace of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { assertEndedOnce, assertJournalIntact, everyItem, isAlive, processesOf, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const tree = ['antispam', 'iisadmin', 'smtpsvc', 'w3svc'];

const bootIdOf = (dir) => `${dir}/boot_id`;
const inNamespace = (file) => ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c',
  'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', file];
const boot = (dir) => writeFileSync(bootIdOf(dir), `${randomUUID()}\n`);
const through = (dir) => {
  boot(dir);
  return inNamespace(bootIdOf(dir));
};

function whyNot() {
  try {
    const [program, ...words] = inNamespace('/proc/version');
    execFileSync(program, [...words, 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'this machine gives nobody a mount namespace';
  }
}
const options = { through, skip: whyNot() };

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // it has ended by itself
  }
}

// Nobody is asked and nothing is written any more. All are halted first, those too that one of them
// was just starting, so that none sees another one's end.
async function losePower(agent) {
  const halted = new Set();
  for (let found = true; found;) {
    found = false;
    for (const { pid } of processesOf(agent.dir)) {
      if (halted.has(pid)) continue;
      halted.add(pid);
      found = true;
      signal(pid, 'SIGSTOP');
    }
  }
  for (const pid of halted) signal(pid, 'SIGKILL');
  await agent.exit;
  while ([...halted].some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
  boot(agent.dir);
}

const own = async (agent, parent) => (await everyItem(agent.api, '/v1/jobs')).filter((job) => job.parent === parent);

scenario('A restart that the power cut ends is interrupted, and what it took down comes up', async (agent) => {
  await agent.untilRunning(...tree, 'aside');
  assert.equal((await agent.done('stop', 'aside')).result, 'succeeded');
  const job = await agent.accepted('restart', 'iisadmin', { dependents: 'include' });
  const behind = await agent.accepted('restart', 'w3svc');
  await agent.life.until('smtpsvc stop');

  await losePower(agent);
  await agent.serve();

  const done = await agent.waitJob(job.id);
  assert.deepEqual([done.result, done.error.code, done.forced], ['interrupted', 'interrupted', false]);
  assert.equal((await agent.waitJob(behind.id)).result, 'succeeded', 'what waited behind it has had its turn');
  const settled = await agent.untilJob(job.id, (j) => j.restored !== 'pending', 'its restoring is decided');
  assert.deepEqual([settled.restored, settled.down], ['complete', []]);
  assert.equal((await own(agent, job.id)).length, 1, 'by one job of the agent');
  await agent.untilRunning(...tree);
  assert.equal((await agent.service('aside')).state, 'stopped', 'what was stopped on purpose stays so');
  await assertEndedOnce(agent, await everyItem(agent.api, '/v1/jobs'));
  await assertJournalIntact(agent);
}, options);

scenario('Left alone, it leaves down what it took down', async (agent) => {
  await agent.untilRunning(...tree, 'aside');
  const job = await agent.accepted('restart', 'smtpsvc', { dependents: 'include', on_failure: 'leave' });
  await agent.life.until('smtpsvc stop');

  await losePower(agent);
  await agent.serve();

  const done = await agent.waitJob(job.id);
  assert.deepEqual([done.result, done.restored], ['interrupted', 'incomplete']);
  await agent.untilRunning('iisadmin', 'w3svc', 'aside');
  assert.deepEqual(await own(agent, job.id), []);
}, options);

scenario('Again and again: the power goes while it comes up', async (agent) => {
  await agent.untilRunning(...tree);
  const job = await agent.accepted('restart', 'iisadmin', { dependents: 'include' });
  for (const moment of ['smtpsvc stop', 'iisadmin start', 'smtpsvc start']) {
    await agent.life.until(moment, agent.life.mark());
    await losePower(agent);
    agent.launch();
  }
  await agent.kill();
  await agent.serve();

  const settled = await agent.untilJob(job.id, (j) => j.state === 'done' && j.restored !== 'pending', 'its restoring is decided');
  assert.deepEqual([settled.result, settled.restored, settled.down], ['interrupted', 'complete', []]);
  await agent.untilRunning(...tree);
  await assertEndedOnce(agent, await everyItem(agent.api, '/v1/jobs'));
  await assertJournalIntact(agent);
}, options);
