// The journal is copied while jobs come in, and another agent goes on from the copy.
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fillIn } from '../harness/settings.mjs';
import { Agent, scenarios, services } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const all = ['base', 'slow', 'aside'];

function assertDone(job) {
  assert.ok(['succeeded', 'unchanged'].includes(job.result), `${job.id}: ${job.result} ${JSON.stringify(job.error)}`);
}

// Jobs one after the other on `aside`, until told to end. Their ids, each as soon as it is accepted.
function load(agent) {
  const accepted = [];
  let over = false;
  const ended = (async () => {
    while (!over) accepted.push((await agent.accepted('restart', 'aside')).id);
  })();
  return {
    accepted,
    until: async (count) => {
      while (accepted.length < count) await Promise.race([ended, new Promise((resolve) => setImmediate(resolve))]);
    },
    end: () => {
      over = true;
      return ended;
    },
  };
}

// An agent in a folder of its own whose journal is the copy; `body` has it.
async function withRestored(copy, body) {
  const agent = new Agent();
  const failures = [];
  try {
    const template = readFileSync(new URL('settings.toml', import.meta.url), 'utf8');
    const { text } = await fillIn(template, { dir: agent.dir, state: agent.state, services });
    writeFileSync(agent.settings, text, { mode: 0o600 });
    await agent.run('init', '--state-dir', agent.state, '--host', 'localhost', '--host', '127.0.0.1');
    for (const file of readdirSync(agent.state)) if (file.startsWith('noforce.db')) rmSync(`${agent.state}/${file}`);
    copyFileSync(copy, `${agent.state}/noforce.db`);
    await agent.serve();
    await body(agent);
  } catch (error) {
    failures.push(error);
  }
  await agent.tearDown(failures.length > 0).catch((error) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

scenario('A copy made under load has all that was accepted, and an agent that starts with it goes on', async (agent) => {
  await agent.untilRunning(...all);
  const token = await agent.token('ci', '--role', 'operator');
  agent.control('slow', { stop: 'after 3000' });
  const mark = agent.life.mark();
  const running = await agent.accepted('restart', 'slow');
  const queued = await agent.accepted('restart', 'slow');
  await agent.life.until('slow stop', mark);
  const jobs = load(agent);
  await jobs.until(20);

  const before = [...jobs.accepted];
  const copy = `${agent.dir}/copy.db`;
  const { stdout } = await agent.run('backup', '--config', agent.settings, copy);
  const during = jobs.accepted.length;
  await jobs.until(during + 5);
  await jobs.end();
  assert.ok(during > before.length, 'jobs were accepted while the copy was made');

  assert.match(stdout, /copy\.db: \d+ jobs \(\d+ unfinished\) and \d+ audit rows, as of 20\d\d-.*; checked, nothing is damaged/);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  await assert.rejects(agent.run('backup', '--config', agent.settings, copy), (error) => {
    assert.match(error.stderr, /is there already; nothing is overwritten/);
    return error.code === 4;
  });

  await withRestored(copy, async (other) => {
    // The old agent's token, of the copy; the one that `init` made here went with its journal.
    assert.equal((await other.api.get('/v1/jobs')).status, 401);
    other.api = other.as(token);
    for (const { id } of [running, queued]) assertDone(await other.waitJob(id));
    for (const id of before) assertDone(await other.waitJob(id));
    const { body } = await other.api.get('/v1/jobs?state=queued');
    for (const { id } of body.items) assertDone(await other.waitJob(id));
    assert.match((await other.run('audit', 'verify', '--config', other.settings)).stdout, /none changed, added or missing/);
    assertDone(await other.done('restart', 'aside'));
  });

  for (const id of [running.id, queued.id, ...jobs.accepted]) assertDone(await agent.waitJob(id));
});
