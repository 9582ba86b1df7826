// The agent is killed hundreds of times, at random instants of restarts, stops, starts and cancels
// and of its own start, and started again at once. Who sent the jobs repeats what got no answer.
// NOFORCE_SEED makes the same choices again; NOFORCE_E2E_KILLS says how often.
import assert from 'node:assert/strict';
import {
  Chance, assertEndedOnce, assertJournalIntact, assertLivedInOrder, assertLogContinuous, assertOrderKept, assertReportedAsLived,
  everyItem, isAlive, processesOf, scenarios, sleep,
} from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const slowdown = Number(process.env.NOFORCE_TEST_SLOWDOWN ?? 1);
const kills = Number(process.env.NOFORCE_E2E_KILLS ?? Math.ceil(300 / slowdown));
const tree = ['iisadmin', 'w3svc', 'smtpsvc', 'pop3svc', 'antispam'];
const lone = ['lone1', 'lone2', 'lone3'];
const changing = ['base', 'left', 'right'];
const untouched = ['ground', 'bystander'];
const acceptance = 12; // milliseconds: about what it takes to accept some jobs
const all = [...tree, ...lone, ...changing, ...untouched];

// Requests, and what became of them ---------------------------------------------------------------

function someRequest(chance) {
  const kind = chance.upTo(1);
  if (kind < 0.25) return { path: '/v1/services/iisadmin/restart' };
  if (kind < 0.3) return { path: '/v1/groups/iis/restart' };
  if (kind < 0.5) return { path: `/v1/services/${chance.of(tree)}/restart` };
  if (kind < 0.7) return { path: `/v1/services/${chance.of(lone)}/restart` };
  return { path: `/v1/services/${chance.of(changing)}/${chance.of(['stop', 'start', 'restart'])}`, isFinal: true };
}

// A client that sends each request until it is answered, with the same key.
class Requests {
  constructor(agent, chance) {
    this.agent = agent;
    this.chance = chance;
    this.count = 0;
    this.unanswered = [];
    this.jobs = new Map(); // id -> request
    this.cancels = []; // { id, at, state }: as answered
    this.acceptedUnheard = 0;
    this.cancelsUnheard = new Set();
  }

  add() {
    this.count += 1;
    this.unanswered.push({ ...someRequest(this.chance), key: `request-${this.count}`, sent: 0 });
  }

  // All that are not answered yet, at the same time. Those that no answer comes for stay.
  async send() {
    const sending = this.unanswered;
    this.unanswered = [];
    await Promise.all(sending.map((request) => this.sendOne(request)));
  }

  async sendOne(request) {
    const { agent } = this;
    request.sent += 1;
    const begun = new Date().toISOString();
    let answer;
    try {
      answer = await agent.api.post(`${request.path}?dependents=include`, undefined, { headers: { 'idempotency-key': request.key } });
    } catch (error) {
      if (error.message.includes('openapi.yaml')) throw error;
      this.unanswered.push(request);
      return;
    }
    assert.ok([200, 202].includes(answer.status), `${request.path}: ${answer.status} ${answer.text}`);
    const { id, created_at: created } = answer.body;
    assert.ok(!this.jobs.has(id), `${id} was given to another request already`);
    this.jobs.set(id, request);
    if (created < begun) {
      assert.ok(request.sent > 1, `${id} is older than its request`);
      this.acceptedUnheard += 1;
    }
    if (!request.isFinal && this.chance.is(0.15)) await this.cancel(id);
  }

  async cancel(id) {
    await sleep(this.chance.upTo(100));
    try {
      const { status, text, body } = await this.agent.api.post(`/v1/jobs/${id}/cancel`);
      if (status === 409) return;
      assert.ok([200, 202].includes(status), `cancel: ${status} ${text}`);
      this.cancels.push({ id, at: new Date().toISOString(), state: body.state });
    } catch (error) {
      if (error instanceof assert.AssertionError || error.message.includes('openapi.yaml')) throw error;
      this.cancelsUnheard.add(id);
    }
  }
}

// What the jobs' results mean for the services that are stopped and started: applied in the order
// of the jobs' ids, to all that are up in the beginning.
function expectedUp(jobs) {
  const up = new Set(changing);
  for (const { action, services: [name], result } of jobs) {
    if (!changing.includes(name) || result === 'failed') continue; // `failed`: see assertResult
    const isBase = name === 'base';
    if (action === 'stop') for (const one of isBase ? changing : [name]) up.delete(one);
    else for (const one of ['base', name]) up.add(one);
  }
  return up;
}

function assertResult(job, requests) {
  const what = JSON.stringify(job);
  assert.equal(job.state, 'done', what);
  assert.equal(job.forced, false, what);
  assert.ok(job.steps.every((step) => step.state === 'done'), what);
  const cancel = requests.cancels.find(({ id }) => id === job.id);
  if (job.result === 'cancelled') {
    assert.ok(cancel || requests.cancelsUnheard.has(job.id), `nobody cancelled it: ${what}`);
    assert.ok(['complete', 'not_needed'].includes(job.restored), what);
  } else if (job.result === 'failed') {
    // A start that waited before it in the queue has made its plan grow: refused, nothing touched.
    assert.equal(job.error.code, 'plan_changed', what);
    assert.ok(changing.includes(job.services[0]), what);
    assert.deepEqual(job.steps, [], what);
  } else {
    assert.ok(['succeeded', 'unchanged'].includes(job.result), what);
    assert.equal(job.restored, 'not_needed', what);
    if (job.action !== 'stop') assert.deepEqual(job.down, [], what);
    // A cancel that was confirmed came too late only for the step in hand.
    if (cancel) assert.ok(job.steps.every((step) => (step.started_at ?? '') <= cancel.at), `cancelled at ${cancel.at}: ${what}`);
  }
}

// The events of one agent after the other. An id is given once, whatever happens in between.
class Events {
  constructor(agent) {
    this.agent = agent;
    this.ids = new Set();
    this.done = new Set();
    this.gaps = 0;
  }

  async open() {
    const resumed = this.stream?.lastId;
    this.stream = await this.agent.stream({ lastEventId: resumed });
    if (resumed === undefined) return;
    await this.stream.until(() => true, 'an event of the resumed stream');
    assert.equal(this.stream.events[0].event, 'gap', 'what another agent did not tell is missed, and said to be');
    this.gaps += 1;
  }

  // When the agent is gone.
  take() {
    assert.equal(this.stream.error, null);
    for (const { event, id, data } of this.stream.events) {
      if (event === 'gap') continue;
      assert.ok(!this.ids.has(id), `the event ${id} came twice`);
      this.ids.add(id);
      if (event !== 'job' || data.state !== 'done') continue;
      assert.ok(!this.done.has(data.id), `${data.id} ended twice`);
      this.done.add(data.id);
    }
  }
}

// The case ----------------------------------------------------------------------------------------

async function pidsOf(agent, names) {
  const services = await everyItem(agent.api, '/v1/services');
  return Object.fromEntries(services.filter((s) => names.includes(s.name)).map((s) => [s.name, s.pid]));
}

function keeperOf(agent) {
  const found = processesOf(agent.dir).filter(({ command }) => / keeper\b/.test(command));
  assert.equal(found.length, 1, `one keeper: ${JSON.stringify(found)}`);
  return found[0].pid;
}

async function kill(agent) {
  await agent.kill();
  const { code, signal } = await agent.exit;
  assert.equal(signal, 'SIGKILL', `the agent ended by itself: ${code ?? signal}\n${agent.lastLog()}`);
}

// All jobs are over, and all is as they have left it. `done`: job by id; those of before are not
// asked for again.
async function settle(agent, requests, done) {
  while (requests.unanswered.length > 0) await requests.send();
  for (const id of requests.jobs.keys()) {
    if (done.has(id)) continue;
    done.set(id, await agent.waitJob(id));
    assertResult(done.get(id), requests);
  }
  const jobs = [...done.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  assertOrderKept(jobs, (job) => [...job.services, ...job.steps.map((step) => step.service)]);
  const up = expectedUp(jobs);
  const states = await agent.states();
  for (const name of all) assert.equal(states[name], up.has(name) || !changing.includes(name) ? 'running' : 'stopped', name);
  const running = new Set(all.filter((name) => states[name] === 'running'));
  assertLivedInOrder(agent.life, running);
  return running;
}

scenario(`Killed ${kills} times at random instants, it loses, doubles and forgets nothing`, async (agent) => {
  const chance = new Chance();
  const requests = new Requests(agent, chance);
  await agent.untilRunning(...all);
  const pids = await pidsOf(agent, untouched);
  const keeper = keeperOf(agent);
  const { duration_ms: restart } = await agent.done('restart', 'iisadmin', { dependents: 'include' });
  const before = (await everyItem(agent.api, '/v1/jobs')).map(({ id }) => id); // this one, and the agent's own starts
  const events = new Events(agent);
  const done = new Map();
  let longestStart = 0;
  let inTheMiddle = 0;
  let whileStarting = 0;

  for (let round = 0; round < kills; round += 1) {
    for (let n = Math.floor(chance.upTo(4)); n >= 0; n -= 1) requests.add();
    await events.open();
    const sending = requests.send();
    sending.catch(() => {}); // looked at below
    await sleep(chance.upTo(chance.is(0.2) ? acceptance : restart * 1.2));
    await kill(agent);
    await sending;
    events.take();
    if (chance.is(0.1)) {
      agent.launch();
      await sleep(chance.upTo(Math.max(longestStart, 100)));
      await kill(agent);
      whileStarting += 1;
    }
    const begun = Date.now();
    await agent.serve();
    longestStart = Math.max(longestStart, Date.now() - begun);

    assert.ok(isAlive(keeper), `round ${round}: the keeper is gone`);
    for (const name of untouched) assert.ok(isAlive(pids[name]), `round ${round}: ${name} ${pids[name]} is gone`);
    inTheMiddle += (await everyItem(agent.api, '/v1/jobs?state=running')).length > 0 ? 1 : 0;
    if (chance.is(0.25)) await settle(agent, requests, done);
  }
  const running = await settle(agent, requests, done);
  const jobs = await everyItem(agent.api, '/v1/jobs');

  assert.equal(keeperOf(agent), keeper, 'the keeper is the same');
  assert.deepEqual(await pidsOf(agent, untouched), pids, 'what no job touched is the same');
  for (const name of untouched) assert.equal(agent.life.of(name).length, 2, `${name} has only started`);
  const ids = jobs.map(({ id }) => id);
  assert.deepEqual(ids.filter((id) => !requests.jobs.has(id) && !before.includes(id)), [], 'jobs that nobody asked for');
  assert.deepEqual([...requests.jobs.keys()].filter((id) => !ids.includes(id)), [], 'jobs that are lost');
  assert.equal(requests.jobs.size, requests.count, 'one job for each request');
  for (const job of jobs) if (done.has(job.id)) assert.deepEqual(job, done.get(job.id), 'a job that is done does not change');
  await assertEndedOnce(agent, jobs);
  assertReportedAsLived(jobs, agent.life);
  const instances = assertLivedInOrder(agent.life, running);
  const lines = all.map((name) => assertLogContinuous(agent, name)).reduce((sum, n) => sum + n);
  await assertJournalIntact(agent);
  console.log(`${kills} rounds, ${whileStarting} more kills in the agent's start, ${inTheMiddle} rounds with a job in the middle; ` +
    `${jobs.length} jobs (${jobs.filter((j) => j.result === 'cancelled').length} cancelled), ${requests.acceptedUnheard} accepted without an answer; ${events.ids.size} events; ` +
    `${instances.length} instances, ${lines} log lines; restart of the tree ${restart} ms, the agent's longest start ${longestStart} ms`);
  assert.ok(inTheMiddle > kills / 4, 'the agent was killed in the middle of jobs');
  assert.ok(events.ids.size > kills, 'the events were looked at');
}, { limit: 240 });
