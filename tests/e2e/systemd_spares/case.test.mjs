// A unit with TimeoutStopSec=2 that needs 6 s to write down what it holds: systemd alone kills it and
// loses that, noforce never does; and nothing of what keeps systemd from it is left afterwards.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Systemd, isAlive, scenarios, scenariosOnSystemd, sleep, within } from '../harness/index.mjs';

// What it holds in memory is written down on SIGTERM, in 6 s; its children get that signal, too.
const keeper = `#!/bin/sh
trap 'trap "" TERM; sleep 6; echo "$1 saved" >> "$2"; exit 0' TERM
echo up >> "$2.up"
while :; do sleep 1000 & wait $!; done
`;

const unit = (agent, name, more = '') => `[Unit]
Description=The service ${name}
[Service]
ExecStart=/bin/sh ${agent.dir}/keeper.sh ${name} ${agent.dir}/${name}.saved
TimeoutStopSec=2
${more}
`;

const saved = (agent, name) => (existsSync(`${agent.dir}/${name}.saved`) ? readFileSync(`${agent.dir}/${name}.saved`, 'utf8') : '');

const scenario = scenariosOnSystemd(scenarios(import.meta.url), {
  begin: async (agent, { more }) => {
    writeFileSync(`${agent.dir}/keeper.sh`, keeper);
    agent.systemd = await Systemd.start(agent.dir, {
      'alone.service': unit(agent, 'alone'),
      'spared.service': unit(agent, 'spared', more),
    });
    await agent.systemd.systemctl('start', 'alone.service', 'spared.service');
  },
  ready: async (agent) => {
    for (const name of ['alone', 'spared']) {
      await agent.untilState(`${name}.service`, 'running');
      await within(20, `${name} is up`, (async () => {
        while (!existsSync(`${agent.dir}/${name}.saved.up`)) await sleep(10);
      })());
    }
  },
});

scenario('systemctl stop loses what it holds, noforce does not', async (agent, systemd) => {
  const [, job] = await Promise.all([systemd.systemctl('stop', 'alone.service'), agent.done('stop', 'spared')]);

  assert.equal(await systemd.show('alone.service', 'Result'), 'timeout');
  assert.equal(saved(agent, 'alone'), '', 'systemd alone has killed it');

  assert.deepEqual([job.result, job.forced], ['succeeded', false]);
  assert.deepEqual(job.steps.map((s) => `${s.operation} ${s.service} ${s.result}`), ['stop spared.service succeeded']);
  assert.ok(job.duration_ms >= 5900, `it took its 6 s: ${job.duration_ms}`);
  assert.equal(saved(agent, 'spared'), 'spared saved\n');
  assert.equal((await agent.service('spared')).exit.code, 0);
  await systemd.untilNothingIsLeft(agent.state);
});

scenario('A stop that systemctl has begun is joined and spared', async (agent, systemd) => {
  await systemd.systemctl('stop', '--no-block', 'spared.service');
  await agent.untilState('spared.service', 'stop_pending');

  const job = await agent.done('stop', 'spared');

  assert.equal(job.result, 'succeeded');
  assert.equal(saved(agent, 'spared'), 'spared saved\n', 'it was asked once');
  await systemd.untilNothingIsLeft(agent.state);
});

scenario('The agent is killed in the middle of a restart: the next one ends it and clears up', async (agent, systemd) => {
  const { pid } = await agent.service('spared');
  const { id } = await agent.accepted('restart', 'spared');
  await agent.untilState('spared.service', 'stop_pending');
  await agent.kill();
  await sleep(3000); // longer than TimeoutStopSec, and nobody is there
  assert.ok(isAlive(pid), 'it is spared without an agent');
  assert.deepEqual(systemd.dropIns(), ['spared.service.d/zz-noforce.conf']);

  await agent.serve();

  const job = await agent.waitJob(id);
  assert.deepEqual([job.result, job.restored, job.down], ['succeeded', 'not_needed', []]);
  assert.equal(saved(agent, 'spared'), 'spared saved\n');
  assert.equal((await agent.service('spared')).state, 'running');
  await systemd.untilNothingIsLeft(agent.state);
  assert.equal(await systemd.show('spared.service', 'TimeoutStopUSec'), '2s', 'it is as it was');
});

scenario('A job that is over its time leaves the unit spared; it ends at last, and the restart is completed', async (agent, systemd) => {
  const job = await agent.done('restart', 'spared', { deadline_s: 3 });
  assert.deepEqual([job.result, job.forced, job.restored, job.down], ['timed_out', false, 'pending', ['spared.service']]);
  // TimeoutStopSec is over, and so is the job.
  assert.equal((await agent.service('spared')).state, 'stop_pending');
  assert.deepEqual(systemd.dropIns(), ['spared.service.d/zz-noforce.conf']);

  await agent.untilJob(job.id, (j) => j.restored === 'complete', 'the restart is completed');

  assert.equal(saved(agent, 'spared'), 'spared saved\n');
  assert.equal((await agent.service('spared')).state, 'running');
  await systemd.untilNothingIsLeft(agent.state);
});

scenario('The plan says what systemd would do, and whose edits a daemon-reload applies', async (agent, systemd) => {
  const plan = async () => (await agent.act('restart', 'spared', { dry_run: 1 })).body;
  assert.match((await plan()).warnings.join('\n'), /systemd would kill spared\.service after 2 s of stopping \(TimeoutStopSec=2 s\); noforce disarms that/);

  systemd.unit('alone.service', unit(agent, 'alone', 'Nice=5'));
  // systemd says that unit files have changed; it has read none of them yet.
  await systemd.systemctl('mask', '--runtime', '--no-reload', 'other.service');

  await within(30, 'the edit is seen', (async () => {
    while (!/also applies what was edited of alone\.service/.test((await plan()).warnings.join('\n'))) await sleep(200);
  })());
});

scenario('Where the settings forbid to disarm it, it is not stopped at all', async (agent, systemd) => {
  const { pid } = await agent.service('spared');
  const { status, body } = await agent.act('stop', 'spared');
  assert.deepEqual([status, body.code, body.service], [409, 'control_not_accepted', 'spared.service']);
  assert.match(body.detail, /systemd would end spared\.service by force when it stops \(TimeoutStopSec=2 s\), and the settings do not let/);
  const plan = await agent.act('stop', 'spared', { dry_run: 1 });
  assert.deepEqual([plan.body.would_answer.status, plan.body.would_answer.code], [409, 'control_not_accepted']);
  assert.ok(isAlive(pid));
  assert.equal((await agent.service('spared')).state, 'running');
  assert.deepEqual(systemd.dropIns(), []);
}, { adapt: (text) => `${text}disarm = false\n` });

scenario('A unit that systemd cannot kill as it is gets no drop-in', async (agent, systemd) => {
  const loaded = await systemd.show('spared.service', 'DropInPaths');
  const stopping = agent.done('restart', 'spared');
  await agent.untilState('spared.service', 'stop_pending');
  assert.deepEqual(systemd.dropIns(), []);
  assert.equal((await stopping).result, 'succeeded');
  assert.equal(saved(agent, 'spared'), 'spared saved\n');
  assert.equal(await systemd.show('spared.service', 'DropInPaths'), loaded);
}, { more: 'TimeoutStopSec=infinity' });

scenario('systemd executes itself anew during the job: the job goes on', async (agent, systemd) => {
  const { id } = await agent.accepted('restart', 'spared');
  await agent.untilState('spared.service', 'stop_pending');
  assert.equal((await systemd.systemctl('daemon-reexec')).code, 0);

  const job = await agent.waitJob(id);

  assert.deepEqual([job.result, job.down], ['succeeded', []]);
  assert.equal(saved(agent, 'spared'), 'spared saved\n');
  await systemd.untilNothingIsLeft(agent.state);
});

scenario('systemd dies during the job: the job does not say what it does not know', async (agent, systemd) => {
  const { pid } = await agent.service('spared');
  const { id } = await agent.accepted('restart', 'spared', { deadline_s: 4 });
  // A stop that waits for its turn is pending as well: only now the service has its signal.
  await within(20, 'systemd has sent the signal', (async () => {
    while (await systemd.show('spared.service', 'SubState') !== 'stop-sigterm') await sleep(10);
  })());
  await systemd.kill();

  await sleep(2000);
  const meanwhile = await agent.job(id);
  assert.ok(meanwhile.state !== 'done' || meanwhile.result !== 'succeeded', 'nobody has seen it stop');
  await within(20, 'the service has ended by itself', (async () => {
    while (isAlive(pid)) await sleep(50);
  })());
  assert.equal(saved(agent, 'spared'), 'spared saved\n', 'nothing has killed it');
  await systemd.begin();

  const job = await agent.waitJob(id);

  assert.deepEqual([job.forced, job.state], [false, 'done']);
  assert.equal((await agent.service('spared')).state, 'running');
  await systemd.untilNothingIsLeft(agent.state);
});
