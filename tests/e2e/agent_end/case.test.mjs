// The agent is asked to end: it leaves its services running, or stops them first, gracefully,
// whatever that takes. The settings are leave.toml and stop.toml.
import assert from 'node:assert/strict';
import net from 'node:net';
import { isAlive, scenarios, sleep, within } from '../harness/index.mjs';

const leaving = scenarios(import.meta.url, { settings: 'leave.toml' });
const stopping = scenarios(import.meta.url, { settings: 'stop.toml' });

leaving('Asked to end in the middle of a job, it ends at once and the next one goes on', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'after 3000' });
  const mark = agent.life.mark();
  const job = await agent.accepted('restart', 'base', { dependents: 'include' });
  await agent.life.until('leaf stop', mark);

  assert.deepEqual(await agent.end(), { code: 0, signal: null });

  assert.deepEqual(agent.life.sentences(mark), ['leaf stop'], 'it did not wait for the service');
  await agent.serve();
  assert.equal((await agent.waitJob(job.id)).result, 'succeeded');
  assert.deepEqual(agent.life.since(mark).filter((e) => e.name === 'leaf').map((e) => e.event), ['stop', 'end', 'start', 'ready']);
});

leaving('Its services run on with their processes, and the next agent has them', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const before = [(await agent.service('base')).pid, (await agent.service('leaf')).pid];
  assert.deepEqual(await agent.end(), { code: 0, signal: null });
  for (const pid of before) assert.ok(isAlive(pid));
  await agent.serve();
  assert.deepEqual([(await agent.service('base')).pid, (await agent.service('leaf')).pid], before);
});

// A machine of systemd's, as far as the agent sees, with a bus that takes connections and never says a word.
const silentSystemd = `mount --make-rprivate / && mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec "$@"`;

leaving('Where systemd does not say whether the machine goes down, a second word is enough, and its services run on', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const before = [(await agent.service('base')).pid, (await agent.service('leaf')).pid];
  agent.child.kill('SIGTERM');
  await within(20, 'it has heard that', (async () => {
    while (!agent.lastLog().includes('told to end')) await sleep(20);
  })());
  assert.ok(agent.isRunning);

  assert.deepEqual(await agent.end(), { code: 0, signal: null });

  assert.match(agent.lastLog(), /systemd does not say whether the machine goes down.*does not answer/);
  for (const pid of before) assert.ok(isAlive(pid));
  agent.bus.close();
}, {
  skip: process.getuid() === 0 ? false : 'only root can mount',
  through: (dir) => ['unshare', '-m', 'sh', '-c', silentSystemd, 'sh', 'env', `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${dir}/bus`],
  prepare: (agent) => {
    agent.bus = net.createServer(() => {}).listen(`${agent.dir}/bus`);
    agent.bus.unref();
  },
});

stopping('With on_exit = "stop" its services end first, in order, however long they take', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'progress 2500 250' });
  const mark = agent.life.mark();

  assert.deepEqual(await agent.end(), { code: 0, signal: null });

  assert.deepEqual(agent.life.sentences(mark), ['leaf stop', 'leaf end', 'base stop', 'base end']);
});

stopping('It waits for one that hangs, kills nothing, and ends when that one does', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'hang' });
  const { pid } = await agent.service('leaf');
  const ended = agent.end(60);
  await agent.life.until('leaf stop');
  await sleep(2000); // longer than anybody would wait who kills after all
  assert.ok(isAlive(pid));
  assert.ok(agent.isRunning);
  agent.control('leaf', { stop: 'now' });
  assert.deepEqual(await ended, { code: 0, signal: null });
  assert.deepEqual(agent.life.sentences().slice(-3), ['leaf end', 'base stop', 'base end']);
});

stopping('A job is refused while it ends, with a word on when to try again', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  agent.control('leaf', { stop: 'hang' });
  const ended = agent.end(60);
  await agent.life.until('leaf stop');
  const answer = await agent.act('restart', 'base', { dependents: 'include' }).catch((error) => error);
  if (answer instanceof Error) assert.equal(answer.code, 'ECONNREFUSED');
  else assert.deepEqual([answer.status, answer.body.code], [503, 'shutting_down']);
  agent.control('leaf', { stop: 'now' });
  assert.deepEqual(await ended, { code: 0, signal: null });
});

// The late stop may end before, with, or after the agent's own.
for (const [when, stop, first] of [['before', 'now', 'control'], ['after', 'after 300', 'end']]) {
  stopping(`What a job had left to be restored is not started again while the agent ends (late stop ${when})`, async (agent) => {
    await agent.untilRunning('base', 'leaf');
    agent.control('leaf', { stop: 'hang' });
    const job = await agent.done('restart', 'leaf', { no_progress_s: 1 });
    assert.equal(job.restored, 'pending');

    const release = () => agent.control('leaf', { stop });
    if (first === 'control') release();
    const ended = agent.end(60);
    if (first === 'end') release();

    assert.deepEqual(await ended, { code: 0, signal: null });
    assert.equal(agent.life.sentences().filter((s) => s.startsWith('leaf')).at(-1), 'leaf end');
    assert.equal(agent.life.sentences().at(-1), 'base end');
  });
}

stopping('Asked to end while its services are still starting, it stops those too', async (agent) => {
  await agent.life.until('base start'); // and half a second later it is ready, and `leaf` would start
  assert.deepEqual(await agent.end(), { code: 0, signal: null });
  for (const name of ['base', 'leaf']) {
    const said = agent.life.of(name).map((e) => e.event);
    assert.ok(said.length === 0 || said.at(-1) === 'end', `${name}: ${said}`);
  }
}, { adapt: (settings) => settings.replace('${worker:base}', '${worker:base}, "--start", "after 500"') });
