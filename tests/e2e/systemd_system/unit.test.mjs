// The agent as a unit of the system's manager, with root's number and no capability, from install to uninstall.
import assert from 'node:assert/strict';
import { chmodSync, existsSync } from 'node:fs';
import { SystemManager, UnitAgent, scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url, { kind: UnitAgent });
const skip = process.getuid() === 0 ? false : 'only root can have processes of its own numbers';
// It takes longer than systemd's patience.
const web = '[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=1\nExecStop=/bin/sh -c "kill $MAINPID; sleep 2"\n';

scenario('It restarts what systemd would kill, reloads, leaves itself alone, and is taken away', async (agent) => {
  const { systemd } = agent;
  await agent.untilState('web.service', 'running');
  const status = (await systemd.inside('cat', `/proc/${await agent.mainPid()}/status`)).text;
  assert.match(status, /^Uid:\s0\s0\s0\s0$/m);
  assert.match(status, /^CapEff:\s0+$/m);
  assert.match(status, /^Seccomp:\s2$/m);
  assert.equal(await agent.show('ProtectSystem'), 'strict');

  const job = await agent.done('restart', 'web');
  assert.deepEqual([job.result, job.forced], ['succeeded', false]);
  assert.ok(job.steps[0].duration_ms >= 1900, `it took its 2 s: ${job.steps[0].duration_ms}`);
  await systemd.untilNothingIsLeft(agent.state);

  const refused = await agent.act('restart', 'noforce');
  assert.deepEqual([refused.status, refused.body.code], [409, 'agent_itself']);
  await systemd.must('reload', 'noforce.service');

  const runs = await agent.noforceService('uninstall');
  assert.deepEqual([runs.code, /systemctl disable --now noforce first/.test(runs.text)], [4, true], runs.text);
  await systemd.must('enable', 'noforce.service');
  await systemd.must('disable', '--now', 'noforce.service');
  assert.equal((await agent.noforceService('uninstall')).code, 0);
  assert.ok(!existsSync(agent.unitFile));
  assert.equal((await systemd.systemctl('is-active', 'web.service')).text, 'active', 'what it looked after runs on');
}, {
  skip,
  adapt: (text) => `${text}\n[log]\nfile = "\${DIR}/agent.log"\n`,
  prepare: async (agent) => {
    chmodSync(agent.dir, 0o711);
    agent.systemd = await SystemManager.start(agent.dir, { 'web.service': web });
    await agent.systemd.must('start', 'web.service');
  },
});

const supervising = scenarios(import.meta.url, { kind: UnitAgent, settings: '../own_unit/supervisor.toml' });

supervising('With a face of another user it hears over the bus that the machine goes down, and stops its services first', async (agent) => {
  await agent.untilRunning('base', 'web');
  agent.control('web', { stop: 'progress 3000 250' });
  const mark = agent.life.mark();

  await agent.systemd.must('start', 'shutdown.target');

  assert.deepEqual(agent.life.sentences(mark), ['web stop', 'web end', 'base stop', 'base end']);
  assert.deepEqual([await agent.show('ActiveState'), await agent.show('Result')], ['inactive', 'success']);
}, {
  skip,
  adapt: (text) => text.replace('state_dir', 'user = "61235"\nstate_dir').replace('${DIR}/agent.log', '${STATE}/agent.log'),
  prepare: async (agent) => {
    chmodSync(agent.dir, 0o711);
    agent.systemd = await SystemManager.start(agent.dir, {}, { bus: true, users: { noforce: 61235 } });
  },
});
