// What clients see of an agent whose face runs as a user without rights: everything, as ever.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const asRoot = {
  skip: process.getuid() === 0 ? false : 'only root can give the agent a user of its own',
  // The user passes through the test's folder and reads the settings.
  prepare: ({ dir }) => chmodSync(dir, 0o711),
  through: (dir) => ['/bin/sh', '-c', 'chmod 644 "$0" && exec "$@"', `${dir}/settings.toml`],
};
const userOf = (pid) => Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

scenario('Services of root and of others are restarted, stopped and started through a face that has no rights', async (agent) => {
  await agent.untilRunning('roots', 'nobodys');
  const nobody = userOf((await agent.service('nobodys')).pid);
  assert.notEqual(nobody, 0);
  for (const [name, user] of [['roots', 0], ['nobodys', nobody]]) {
    const before = (await agent.service(name)).pid;
    assert.equal(userOf(before), user);
    const restarted = await agent.api.post(`/v1/services/${name}/restart?wait=30`);
    assert.equal(restarted.body.result, 'succeeded', JSON.stringify(restarted.body));
    const after = (await agent.service(name)).pid;
    assert.notEqual(after, before);
    assert.equal(userOf(after), user);
    for (const [action, state] of [['stop', 'stopped'], ['start', 'running']]) {
      const done = await agent.api.post(`/v1/services/${name}/${action}?wait=30`);
      assert.equal(done.body.result, 'succeeded', JSON.stringify(done.body));
      assert.equal((await agent.service(name)).state, state);
    }
  }
}, asRoot);

scenario('A hook runs as the face, without rights and without a way to get any', async (agent) => {
  await agent.untilRunning('roots');
  const stopped = await agent.api.post('/v1/services/roots/stop?wait=30');
  assert.equal(stopped.body.result, 'succeeded', JSON.stringify(stopped.body));
  assert.equal(readFileSync(`${agent.state}/hook`, 'utf8'), '61234\nNoNewPrivs:\t1\nSeccomp:\t2\n');
}, asRoot);
