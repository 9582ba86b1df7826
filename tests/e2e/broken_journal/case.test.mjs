// The journal's file is damaged, while the agent is away and under its hands. It says what it found
// and what to do; it starts and stops nothing by guess; the services do not notice; and with a copy in
// its place it goes on.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { isAlive, program, scenarios, within } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const all = ['base', 'slow', 'aside'];

const journalOf = (agent) => `${agent.state}/noforce.db`;

// In place, as a bad disk would.
function overwrite(file, at, bytes) {
  const opened = openSync(file, 'r+');
  writeSync(opened, bytes, 0, bytes.length, at);
  closeSync(opened);
}

const spoilFrom = (file, at) => overwrite(file, at, Buffer.alloc(statSync(file).size - at, 0x5a));

// `noforce serve` to its end, which it has to find by itself: { code, said }
function serveInVain(agent) {
  const child = spawn(program, ['serve', '--config', agent.settings], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += part));
  return within(30, 'noforce serve gives up', new Promise((resolve) => child.once('close', (code) => resolve({ code, said }))));
}

function moveAway(agent) {
  const folder = `${agent.dir}/away`;
  mkdirSync(folder, { recursive: true });
  for (const more of ['', '-wal', '-shm', '-reserve']) {
    if (existsSync(`${journalOf(agent)}${more}`)) renameSync(`${journalOf(agent)}${more}`, `${folder}/noforce.db${more}`);
  }
}

function putInPlace(agent, copy) {
  moveAway(agent);
  copyFileSync(copy, journalOf(agent));
}

async function copyOf(agent) {
  const copy = `${agent.dir}/copy.db`;
  await agent.run('backup', '--config', agent.settings, copy);
  return copy;
}

const pidsOf = async (agent) => Promise.all(all.map(async (name) => (await agent.service(name)).pid));

async function assertGoesOn(agent, pids) {
  await agent.serve();
  assert.deepEqual(await pidsOf(agent), pids);
  assert.equal((await agent.done('restart', 'aside')).result, 'succeeded');
}

for (const [harm, spoil] of [
  ['whose first page is garbage', (file) => overwrite(file, 0, Buffer.alloc(4096, 0x5a))],
  ['of which all but the first page is garbage', (file) => spoilFrom(file, 4096)],
  ['that was cut in half', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
  ['that is empty', (file) => truncateSync(file, 0)],
  ['that is some text', (file) => writeFileSync(file, 'What is this?\n'.repeat(2000))],
]) {
  scenario(`With a journal ${harm}, the agent does not start, and the services run on`, async (agent) => {
    await agent.untilRunning(...all);
    const copy = await copyOf(agent);
    const pids = await pidsOf(agent);
    assert.equal((await agent.end()).code, 0);
    const mark = agent.life.mark();
    spoil(journalOf(agent));

    const { code, said } = await serveInVain(agent);
    assert.equal(code, 1);
    assert.ok(said.includes(journalOf(agent)), said);
    assert.match(said, /damaged|no SQLite database|is empty/);
    assert.match(said, /noforce backup/);
    for (const pid of pids) assert.ok(isAlive(pid));
    assert.deepEqual(agent.life.sentences(mark), [], 'nothing was started or stopped');

    putInPlace(agent, copy);
    await assertGoesOn(agent, pids);
  });
}

scenario('A job that cannot be read is named, and nothing is started without it', async (agent) => {
  await agent.untilRunning(...all);
  agent.control('slow', { stop: 'after 1000' });
  const [base, , aside] = await pidsOf(agent);
  const mark = agent.life.mark();
  const running = await agent.accepted('restart', 'slow');
  const queued = await agent.accepted('restart', 'slow');
  await agent.life.until('slow stop', mark);
  assert.equal((await agent.end()).code, 0);
  await agent.life.until('slow end', mark);
  // Its body, in place: a word that no noforce writes.
  const change = (from, to) => {
    const bytes = readFileSync(journalOf(agent));
    let at = bytes.indexOf(from);
    assert.ok(at > 0, from);
    for (; at > 0; at = bytes.indexOf(from, at + 1)) overwrite(journalOf(agent), at, Buffer.from(to));
  };
  change('"state":"queued"', '"state":"dreamt"');
  const later = agent.life.mark();

  const { code, said } = await serveInVain(agent);
  assert.equal(code, 1);
  assert.match(said, new RegExp(`job ${queued.id}: .*cannot be read`));
  assert.match(said, /neither guessed at nor left out/);
  assert.deepEqual(agent.life.sentences(later), [], 'not even the job before it went on');

  change('"state":"dreamt"', '"state":"queued"');
  await agent.serve();
  for (const { id } of [running, queued]) assert.equal((await agent.waitJob(id)).result, 'succeeded');
  assert.deepEqual([(await agent.service('base')).pid, (await agent.service('aside')).pid], [base, aside]);
});

scenario('Damage that is found while it runs ends what it would stop, and never the agent', async (agent) => {
  await agent.untilRunning(...all);
  for (let n = 0; n < 300; n += 30) {
    await Promise.all(Array.from({ length: 30 }, () => agent.accepted('start', 'aside')));
  }
  const copy = await copyOf(agent);
  agent.control('slow', { stop: 'hang' });
  const mark = agent.life.mark();
  const job = await agent.accepted('restart', 'base', { dependents: 'include' });
  await agent.life.until('slow stop', mark);
  const [base] = await pidsOf(agent);
  // What is in the log still is read from there, until it has been moved into the file.
  const list = await within(20, 'the damage is seen', (async () => {
    for (;;) {
      spoilFrom(journalOf(agent), 4096);
      const answer = await agent.api.get('/v1/jobs?limit=1000');
      if (answer.status !== 200) return answer;
    }
  })());
  assert.equal(list.status, 503);
  assert.match(list.body.detail, /damaged/);
  assert.match(list.body.detail, /noforce backup/);
  const ready = await agent.api.get('/readyz');
  assert.equal(ready.status, 503);
  assert.match(ready.body.detail, /damaged/);
  const refused = await agent.act('restart', 'aside');
  assert.equal(refused.status, 503);
  assert.equal(refused.body.code, 'journal_unavailable');
  assert.match(refused.body.detail, /noforce backup/);
  assert.match(agent.lastLog(), /Nothing is written to .*noforce\.db and nothing is stopped any more/);

  agent.control('slow', { stop: 'now' });
  // The stop that was sent is not taken back; the next one, of base, is not sent.
  await agent.untilState('slow', 'stopped');
  assert.equal((await agent.service('base')).pid, base);
  assert.equal((await agent.api.get(`/v1/jobs/${job.id}`)).body.state, 'running');
  assert.deepEqual(agent.life.since(mark).map((e) => `${e.name} ${e.event}`), ['slow stop', 'slow end']);
  assert.ok(agent.isRunning);

  // The copy knows nothing of that job, so slow stays as it is until somebody says so.
  await agent.kill();
  putInPlace(agent, copy);
  await agent.serve();
  assert.equal((await agent.done('start', 'slow')).result, 'succeeded');
  assert.equal((await agent.service('base')).pid, base);
});
