// What hangs on a unit by Requires, BindsTo and PartOf goes down with it, is in the plan, needs consent
// and comes back exactly; a socket that starts it again is named.
import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { Systemd, scenarios, scenariosOnSystemd } from '../harness/index.mjs';

const service = (more) => `[Unit]\n${more}\n[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=infinity\n`;
const units = (port) => ({
  'base.service': service('Description=Base'),
  'base.socket': `[Socket]\nListenStream=127.0.0.1:${port}\n`,
  'required.service': service('Requires=base.service\nAfter=base.service'),
  'bound.service': service('BindsTo=base.service\nAfter=base.service'),
  'part.service': service('PartOf=base.service\nAfter=base.service'),
  'idle.service': service('Requires=base.service\nAfter=base.service'),
  'middle.target': '[Unit]\nRequires=base.service\nAfter=base.service\n',
  'far.service': service('Requires=middle.target\nAfter=middle.target'),
  'apart.service': service('Wants=base.service\nAfter=base.service'),
  'masked.service': service('Description=Masked'),
});
const up = ['base', 'required', 'bound', 'part', 'far', 'apart'].map((name) => `${name}.service`);
const tree = up.filter((name) => name !== 'apart.service').sort();

const scenario = scenariosOnSystemd(scenarios(import.meta.url), {
  begin: async (agent) => {
    // The harness gives ports by the settings' template; this one is in a comment of it.
    agent.systemd = await Systemd.start(agent.dir, units(agent.ports.BASE));
    const { code, text } = await agent.systemd.systemctl('start', 'base.socket', ...up);
    assert.equal(code, 0, text);
  },
  ready: async (agent) => {
    for (const name of up) await agent.untilState(name, 'running');
  },
});

scenario('The plan has all that goes down, and nothing goes down without consent', async (agent, systemd) => {
  const plan = (await agent.act('restart', 'base', { dry_run: 1 })).body;
  assert.deepEqual([...plan.goes_down].sort(), tree);
  assert.deepEqual([plan.needs_consent, plan.would_answer.status], [true, 409]);
  assert.match(plan.warnings.join('\n'), /base\.socket is active and may start base\.service again/);
  assert.match(plan.warnings.join('\n'), /systemd stops middle\.target with base\.service/);

  const refused = await agent.act('restart', 'base');
  assert.deepEqual([refused.status, refused.body.code], [409, 'dependents_running']);
  assert.deepEqual([...refused.body.dependents].sort(), tree.filter((name) => name !== 'base.service'));
  for (const name of up) assert.equal((await systemd.systemctl('is-active', name)).text, 'active');
});

scenario('A restart brings back exactly what ran', async (agent, systemd) => {
  const before = await agent.states();
  const invocations = Object.fromEntries(await Promise.all(up.map(async (name) => [name, await systemd.show(name, 'InvocationID')])));

  const job = await agent.done('restart', 'base', { dependents: 'include' });

  assert.deepEqual([job.result, job.restored, job.down], ['succeeded', 'not_needed', []]);
  const stops = job.steps.filter((s) => s.operation === 'stop').map((s) => s.service);
  assert.equal(stops.at(-1), 'base.service', 'it stops after all that hangs on it');
  assert.deepEqual(await agent.states(), before);
  assert.equal(before['idle.service'], 'stopped');
  assert.equal((await systemd.systemctl('is-active', 'base.socket')).text, 'active');
  for (const name of up) {
    const anew = (await systemd.show(name, 'InvocationID')) !== invocations[name];
    assert.equal(anew, name !== 'apart.service', `${name} ${anew ? 'was' : 'was not'} started anew`);
  }
});

scenario('A socket may be stopped with its service, where sockets are listed', async (agent, systemd) => {
  const job = await agent.done('stop', 'base.socket');
  assert.equal(job.result, 'succeeded');
  assert.equal((await systemd.systemctl('is-active', 'base.socket')).text, 'inactive');
  assert.doesNotMatch((await agent.act('restart', 'base', { dry_run: 1 })).body.warnings.join('\n'), /base\.socket/);
}, { adapt: (text) => `${text}types = ["service", "socket"]\n` });

scenario('A connection to the socket starts what was stopped; the picture shows it', async (agent) => {
  const job = await agent.done('stop', 'base', { dependents: 'include' });
  assert.equal(job.result, 'succeeded');
  const client = createConnection({ port: agent.ports.BASE, host: '127.0.0.1' });
  try {
    await agent.untilState('base.service', 'running');
  } finally {
    client.destroy();
  }
});

scenario('What is masked is shown as disabled, and not started', async (agent, systemd) => {
  systemd.mask('masked.service');
  await systemd.systemctl('daemon-reload');
  const masked = await agent.untilService('masked.service', (s) => s.start_type === 'disabled', 'it is shown as masked');
  assert.match(masked.warnings.join('\n'), /masked/);
  const answer = await agent.act('start', 'masked');
  assert.deepEqual([answer.status, answer.body.code], [409, 'service_disabled']);
});
