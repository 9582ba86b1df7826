// The system's manager, as the first process of a machine has it: root's agent asks it directly, or over the
// bus; an agent with a user of its own does what polkit lets it.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { SystemManager, program, scenarios, sleep, within } from '../harness/index.mjs';

// What it holds in memory is written down on SIGTERM; its children get that signal, too.
const keeper = `#!/bin/sh
trap 'trap "" TERM; sleep "$2"; echo "$1 saved" >> "$3"; exit 0' TERM
echo up >> "$3.up"
while :; do sleep 1000 & wait $!; done
`;
const unit = (agent, name, needs, more) => `[Service]
ExecStart=/bin/sh ${agent.dir}/keeper.sh ${name} ${needs} ${agent.dir}/${name}.saved
${more}
`;
const saved = (agent, name) => (existsSync(`${agent.dir}/${name}.saved`) ? readFileSync(`${agent.dir}/${name}.saved`, 'utf8') : '');

const noforce = 61235; // a number that no user of this machine has
const base = scenarios(import.meta.url);
const skip = process.getuid() === 0 ? false : 'only root can have processes of its own numbers';
const scenario = (sentence, body, { bus = false, user } = {}) => base(sentence, (agent) => body(agent, agent.systemd), {
  skip,
  prepare: async (agent) => {
    chmodSync(agent.dir, 0o711); // an agent with another user passes through it
    writeFileSync(`${agent.dir}/keeper.sh`, keeper, { mode: 0o755 });
    agent.systemd = await SystemManager.start(agent.dir, {
      'postgresql.service': unit(agent, 'postgresql', 4, 'TimeoutStopSec=1'),
      'nginx.service': unit(agent, 'nginx', 1, 'TimeoutStopSec=infinity'),
      'other.service': unit(agent, 'other', 0, 'TimeoutStopSec=infinity'),
    }, { bus, users: { noforce } });
    agent.through = agent.systemd.entrance;
    if (user) {
      agent.user = { uid: user, gid: user };
      // The clone may lie in a home of root's.
      agent.program = `${agent.dir}/noforce`;
      copyFileSync(program, agent.program);
      agent.through.push('setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups');
      mkdirSync(agent.state, { mode: 0o700 });
      chownSync(agent.state, user, user);
    }
    agent.kills = 'SIGUSR1';
    await agent.systemd.must('start', 'postgresql.service', 'nginx.service', 'other.service');
    // Nobody but the bus's daemon is to be asked.
    if (bus) renameSync(`${agent.systemd.run}/systemd/private`, `${agent.systemd.run}/systemd/aside`);
    await within(20, 'all are up', (async () => {
      while (!['postgresql', 'nginx', 'other'].every((name) => existsSync(`${agent.dir}/${name}.saved.up`))) await sleep(10);
    })());
  },
});

async function restartsPostgresql(agent, systemd) {
  await agent.untilState('postgresql.service', 'running');
  const job = await agent.accepted('restart', 'postgresql');
  await agent.untilState('postgresql.service', 'stop_pending');
  assert.deepEqual(systemd.dropIns(), ['postgresql.service.d/zz-noforce.conf']);

  const done = await agent.waitJob(job.id);

  assert.deepEqual([done.result, done.forced, done.down], ['succeeded', false, []]);
  assert.deepEqual(done.steps.map((s) => `${s.operation} ${s.service} ${s.result}`), ['stop postgresql.service succeeded', 'start postgresql.service succeeded']);
  assert.ok(done.steps[0].duration_ms >= 3900, `it took its 4 s: ${done.steps[0].duration_ms}`);
  assert.equal(saved(agent, 'postgresql'), 'postgresql saved\n');
  await systemd.untilNothingIsLeft(agent.state);
}

scenario('The system manager is asked directly, and kept from killing', restartsPostgresql);

scenario('Over the bus as well', restartsPostgresql, { bus: true });

scenario('The agent is killed in the middle, and the manager executes itself anew: the next agent ends the job', async (agent, systemd) => {
  const { id } = await agent.accepted('restart', 'postgresql');
  await agent.untilState('postgresql.service', 'stop_pending');
  await agent.kill();
  await systemd.must('daemon-reexec');

  await agent.serve();

  const job = await agent.waitJob(id);
  assert.deepEqual([job.result, job.down], ['succeeded', []]);
  assert.equal(saved(agent, 'postgresql'), 'postgresql saved\n');
  await systemd.untilNothingIsLeft(agent.state);
});

scenario('The bus goes during the job and comes back: the job ends as it was', async (agent, systemd) => {
  const { id } = await agent.accepted('restart', 'postgresql');
  await agent.untilState('postgresql.service', 'stop_pending');
  await systemd.withPrivate(() => systemd.must('restart', 'dbus.service'));

  const job = await agent.waitJob(id);

  assert.deepEqual([job.result, job.forced, job.down], ['succeeded', false, []]);
  assert.equal(saved(agent, 'postgresql'), 'postgresql saved\n');
  await systemd.untilNothingIsLeft(agent.state);
}, { bus: true });

scenario('With a user of its own it does what polkit lets that user do, and says what it may not', async (agent, systemd) => {
  await agent.untilState('nginx.service', 'running');

  const before = await agent.done('restart', 'nginx');
  assert.equal(before.result, 'failed');
  assert.match(before.error.detail, /polkit rule for its user/);
  assert.equal((await agent.service('nginx')).state, 'running');

  systemd.allow(readFileSync(new URL('../../../config/polkit/noforce.rules', import.meta.url), 'utf8'));
  await within(20, 'polkit has read the rule', (async () => {
    while ((await agent.done('restart', 'nginx')).result !== 'succeeded') await sleep(100);
  })());
  assert.equal(saved(agent, 'nginx'), 'nginx saved\n');

  const other = await agent.done('stop', 'other');
  assert.equal(other.result, 'failed', 'the rule does not name it');
  assert.match(other.error.detail, /polkit rule for its user/);

  const postgresql = await agent.act('stop', 'postgresql');
  assert.equal(postgresql.status, 409, 'a drop-in is root\'s to write');
  assert.match(postgresql.body.detail, /TimeoutStopSec=1 s\), and the agent's user may not write to \/run\/systemd\/system/);
  assert.equal((await agent.service('postgresql')).state, 'running');
  assert.equal(saved(agent, 'postgresql'), '');
  assert.deepEqual(systemd.dropIns(), []);
}, { bus: true, user: noforce });
