// The keeper is killed with -9, again and again, while jobs run: each job ends once and says what
// was, each service comes back as it was, none runs twice, and what nobody saw is not made up.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { isAlive, program, scenarios, sleep, within } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const tree = ['antispam', 'iisadmin', 'smtpsvc', 'w3svc'];
const rounds = 50;
const now = () => Number(process.hrtime.bigint() / 1_000_000n); // the clock of agent.life

// The same numbers for the same seed.
function chances(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return { upTo: (n) => next() * n, oneOf: (list) => list[Math.floor(next() * list.length)] };
}

const keeperPid = (agent) => Number(readFileSync(`${agent.state}/keeper.lock`, 'utf8'));

// Returns the instant in which it was dead for certain.
async function killKeeper(agent) {
  const pid = keeperPid(agent);
  process.kill(pid, 'SIGKILL');
  await within(10, `keeper ${pid} is dead`, (async () => {
    while (isAlive(pid)) await sleep(1);
  })());
  return now();
}

// Another keeper than that one runs and has been heard.
async function untilNextKeeper(agent, name) {
  await agent.untilService(name, (s) => s.warnings.some((w) => /the keeper was replaced/.test(w)), `the next keeper has taken ${name} up`);
}

// Everything that the service said is in its log, in order and once. The record of its life is
// written by the service itself, past the keeper.
function assertLogContinuous(agent, name) {
  const said = agent.life.of(name).map((e) => `${name} ${e.pid} ${e.event}`);
  const logged = readFileSync(`${agent.state}/logs/${name}.log`, 'utf8').split('\n')
    .map((line) => new RegExp(`\\b${name} \\d+ (start|ready|stop again|stop|end|doubled)\\b`).exec(line)?.[0])
    .filter(Boolean);
  assert.deepEqual(logged, said, `the log of ${name}`);
}

// The last exit code is 0 where a keeper lived through the whole of that instance's life and end,
// null where its keeper died in between; at the very instant of a kill it may be either.
function assertExitAsSeen(service, lived, kills) {
  const margin = 150; // between what happens and what the record of lives says of it
  const { began, ended } = lived;
  const code = service.exit?.code;
  assert.ok(code === 0 || code === null, `${service.name} ended with ${code}`);
  if (kills.some((at) => at > began + margin && at < ended - margin)) assert.equal(code, null, `nobody saw how ${service.name} ended`);
  if (kills.every((at) => at < began - margin || at > ended + margin)) assert.equal(code, 0, `the keeper saw how ${service.name} ended`);
}

// Began and ended: of the instance before the present one.
function lastLife(agent, name) {
  const ended = agent.life.of(name, 'end').at(-1);
  const began = agent.life.of(name, 'start').findLast((e) => e.pid === ended.pid);
  return { began: began.at, ended: ended.at };
}

// Asked for until it is accepted: 503 says that it was not, and to try again shortly.
async function restart(agent, name) {
  for (;;) {
    const answer = await agent.act('restart', name, { dependents: 'include' });
    if (answer.status !== 503) {
      assert.equal(answer.status, 202, answer.text);
      return answer.body;
    }
    assert.equal(answer.body.code, 'scm_unavailable', answer.text);
    await sleep(20);
  }
}

function assertHonest(job, agent, mark) {
  assert.deepEqual([job.result, job.restored, job.forced, job.down], ['succeeded', 'not_needed', false, []], JSON.stringify(job, null, 1));
  for (const step of job.steps.filter((s) => s.operation === 'stop' || s.operation === 'start')) {
    const lived = agent.life.since(mark).filter((e) => e.name === step.service);
    assert.deepEqual(lived.map((e) => e.event), ['stop', 'end', 'start', 'ready'], `${step.service} was restarted once`);
    const said = step.operation === 'stop' ? ['pid_before', 1] : ['pid_after', 2];
    assert.equal(step[said[0]], lived[said[1]].pid, `${step.operation} of ${step.service} names its process`);
  }
}

scenario(`Killed ${rounds} times under running restarts, the keeper takes nothing with it`, async (agent) => {
  const seed = Number(process.env.NOFORCE_E2E_SEED ?? Date.now() % 1_000_000);
  const chance = chances(seed);
  const kills = [];
  const jobs = [];
  await agent.untilRunning('aside', 'onlooker', ...tree);
  const { pid: onlooker } = await agent.service('onlooker');

  for (let round = 0; round < rounds; round += 1) {
    try {
      const before = Object.fromEntries((await agent.api.get('/v1/services?limit=1000')).body.items.map((s) => [s.name, s]));
      const mark = agent.life.mark();
      const wanted = chance.oneOf([['iisadmin'], ['iisadmin', 'aside'], ['smtpsvc', 'w3svc'], ['w3svc', 'aside'], ['antispam']]);
      const accepted = Promise.all(wanted.map((name) => restart(agent, name)));
      accepted.catch(() => {}); // looked at after the kill
      // As long as a restart takes, give or take.
      await sleep(chance.upTo(wanted.includes('iisadmin') ? 500 : wanted.includes('smtpsvc') ? 350 : 150));
      kills.push(await killKeeper(agent));

      const touched = new Set();
      for (const { id } of await accepted) {
        const done = await agent.waitJob(id);
        jobs.push(done);
        assertHonest(done, agent, mark);
        for (const step of done.steps) touched.add(step.service);
      }

      for (const name of ['aside', 'onlooker', ...tree]) {
        const after = await agent.untilState(name, 'running');
        if (touched.has(name)) {
          assert.equal(after.pid, agent.life.of(name, 'ready').at(-1).pid);
          assertExitAsSeen(after, lastLife(agent, name), kills);
        } else {
          assert.deepEqual([after.pid, after.since], [before[name].pid, before[name].since], `${name} was not touched`);
        }
        assert.ok(isAlive(after.pid), name);
      }
      assert.equal((await agent.service('idle')).state, 'stopped', 'what was down stays down');
    } catch (error) {
      error.message = `round ${round} (NOFORCE_E2E_SEED=${seed}): ${error.message}`;
      throw error;
    }
  }

  assert.equal(new Set(kills).size, rounds);
  assert.equal(agent.life.of('onlooker', 'start').length, 1);
  const watched = await agent.service('onlooker');
  assert.equal(watched.pid, onlooker);
  assert.match(watched.warnings.join('\n'), /how it ends will not be known/);
  // Each job ended once: it is what it was when it was done.
  const { body } = await agent.api.get('/v1/jobs?action=restart&limit=1000');
  assert.deepEqual(body.items.map((j) => j.id).sort(), jobs.map((j) => j.id).sort());
  for (const job of jobs) assert.deepEqual(await agent.job(job.id), job);
  for (const name of ['aside', 'onlooker', ...tree]) assertLogContinuous(agent, name);
  const queued = readFileSync(`${agent.dir}/queue.txt`, 'utf8').split('\n').filter(Boolean);
  assert.equal(queued.length, 10 * agent.life.of('smtpsvc', 'end').length, 'no message was lost or written twice');
});

scenario('An exit that nobody saw is not made up', async (agent) => {
  await agent.untilRunning('aside', 'onlooker', ...tree);
  await killKeeper(agent);
  await untilNextKeeper(agent, 'aside');
  agent.control('aside', { run: 'crash 1 7' });
  const ended = await agent.untilState('aside', 'stopped');
  assert.deepEqual([ended.exit.code, ended.pid], [null, null]);
  // What ends under the keeper that started it has its code again.
  agent.control('aside', { run: 'ok' });
  assert.equal((await agent.done('start', 'aside')).result, 'succeeded');
  const anew = await agent.service('aside');
  assert.doesNotMatch(anew.warnings.join('\n'), /how it ends will not be known/);
  agent.control('aside', { run: 'crash 1 7' });
  assert.equal((await agent.untilService('aside', (s) => s.state === 'stopped' && s.exit.code !== null, 'aside has ended again')).exit.code, 7);
});

scenario('With its agent killed as well, the services are found as they were left', async (agent) => {
  await agent.untilRunning('aside', 'onlooker', ...tree);
  const mark = agent.life.mark();
  const pids = await Promise.all(tree.map(async (name) => (await agent.service(name)).pid));
  await agent.kill();
  await killKeeper(agent);
  for (const pid of pids) assert.ok(isAlive(pid));
  await agent.serve();
  await agent.untilRunning('aside', 'onlooker', ...tree);
  assert.deepEqual(await Promise.all(tree.map(async (name) => (await agent.service(name)).pid)), pids);
  assert.deepEqual(agent.life.sentences(mark), []);
  assert.equal((await agent.service('idle')).state, 'stopped');
});

scenario('A keeper of another release goes on as the program of the agent that comes', async (agent) => {
  await agent.untilRunning('aside', 'onlooker', ...tree);
  const pids = await Promise.all(tree.map(async (name) => (await agent.service(name)).pid));
  await agent.kill();
  await killKeeper(agent);
  const older = `${agent.dir}/older-noforce`;
  copyFileSync(program, older);
  const child = spawn(older, ['keeper', '--state-dir', agent.state], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  await within(10, 'the older keeper listens', new Promise((resolve) => {
    child.stdout.once('data', resolve);
  }));
  child.unref();
  const keeper = keeperPid(agent);
  assert.equal(readlinkSync(`/proc/${keeper}/exe`), older);
  const mark = agent.life.mark();

  await agent.serve();

  assert.equal(keeperPid(agent), keeper);
  assert.equal(readlinkSync(`/proc/${keeper}/exe`), realpathSync(program));
  assert.deepEqual(await Promise.all(tree.map(async (name) => (await agent.service(name)).pid)), pids);
  assert.deepEqual(agent.life.sentences(mark), [], 'no service noticed');
  assert.equal((await agent.done('restart', 'iisadmin', { dependents: 'include' })).result, 'succeeded');
});
