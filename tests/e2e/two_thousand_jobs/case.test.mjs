// Thirty-two clients send two thousand jobs at once, the agent is killed in the middle, and they
// repeat what got no answer: every job that was accepted is there, once, and ran in its turn.
import assert from 'node:assert/strict';
import {
  Chance, assertEndedOnce, assertJournalIntact, assertLivedInOrder, assertLogContinuous, assertOrderKept, assertReportedAsLived,
  everyItem, scenarios,
} from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const wanted = 2000;
const clients = 32;
const uppers = ['upper1', 'upper2', 'upper3', 'upper4'];
const lone = Array.from({ length: 15 }, (_, i) => `lone${String(i + 1).padStart(2, '0')}`);
const all = ['shared', ...uppers, ...lone];

// What stands on one another is only restarted, so that no job finds more up than it may take down.
function someRequest(chance, number) {
  const overlaps = chance.is(0.15);
  const name = overlaps ? chance.of(['shared', ...uppers]) : chance.of(lone);
  const action = overlaps ? 'restart' : chance.of(['restart', 'stop', 'start']);
  return { path: `/v1/services/${name}/${action}?dependents=include`, name, action, key: `request-${number}`, sent: 0 };
}

// The agent may die and come back meanwhile; `back()` resolves when it is there. `sent()` is called
// with the request on its way.
async function sendUntilAnswered(agent, request, back, sent) {
  for (;;) {
    await back();
    request.sent += 1;
    const begun = new Date().toISOString();
    let answer;
    try {
      const answering = agent.api.post(request.path, undefined, { headers: { 'idempotency-key': request.key } });
      sent();
      answer = await answering;
    } catch (error) {
      if (error.message.includes('openapi.yaml')) throw error;
      continue;
    }
    assert.ok([200, 202].includes(answer.status), `${request.path}: ${answer.status} ${answer.text}`);
    request.id = answer.body.id;
    request.wasAccepted = answer.body.created_at < begun;
    return;
  }
}

async function untilAllDone(agent) {
  for (;;) {
    const jobs = await everyItem(agent.api, '/v1/jobs');
    const open = jobs.filter((job) => job.state !== 'done');
    if (open.length === 0) return jobs;
    await agent.waitJob(open[0].id, 100); // the newest
  }
}

scenario(`${wanted} jobs of ${clients} clients, the agent killed in the middle`, async (agent) => {
  const chance = new Chance();
  const requests = Array.from({ length: wanted }, (_, i) => someRequest(chance, i + 1));
  await agent.untilRunning(...all);
  const ofItsOwn = await everyItem(agent.api, '/v1/jobs');

  let restarting = Promise.resolve();
  let answered = 0;
  let killed = 0;
  const restart = async () => {
    await agent.kill();
    await agent.serve();
  };
  // Not between two requests: what one commit accepted is answered at once, and at that moment
  // no client may be waiting.
  const killInTheMiddle = () => {
    if (killed > 0 || answered < wanted / 2) return;
    killed = Date.now();
    restarting = restart();
  };
  let next = 0;
  const client = async () => {
    while (next < requests.length) {
      const request = requests[next];
      next += 1;
      await sendUntilAnswered(agent, request, () => restarting, killInTheMiddle);
      answered += 1;
    }
  };
  const begun = Date.now();
  await Promise.all(Array.from({ length: clients }, client));
  const accepted = Date.now();
  const jobs = await untilAllDone(agent);
  const done = Date.now();

  const byId = new Map(jobs.map((job) => [job.id, job]));
  const unfinished = jobs.filter((job) => Date.parse(job.created_at) < killed && Date.parse(job.finished_at) > killed).length;
  assert.equal(new Set(requests.map(({ id }) => id)).size, wanted, 'a job for each request');
  assert.equal(jobs.length, wanted + ofItsOwn.length, 'and no other');
  for (const { id, name, action, sent } of requests) {
    const job = byId.get(id);
    assert.ok(job, `${id} was accepted and is lost (sent ${sent} times)`);
    assert.deepEqual([job.action, job.services], [action, [name]]);
    assert.deepEqual([job.forced, job.restored], [false, 'not_needed']);
    assert.ok(['succeeded', 'unchanged'].includes(job.result), JSON.stringify(job));
  }
  await assertEndedOnce(agent, jobs);
  assertOrderKept(jobs, (job) => [...job.services, ...job.steps.map((step) => step.service)]);

  const states = await agent.states();
  for (const name of all) {
    const last = requests.filter((r) => r.name === name).sort((a, b) => (a.id < b.id ? -1 : 1)).at(-1);
    assert.equal(states[name], last?.action === 'stop' ? 'stopped' : 'running', name);
  }
  assertReportedAsLived(jobs, agent.life);
  const instances = assertLivedInOrder(agent.life, new Set(all.filter((name) => states[name] === 'running')));
  for (const name of all) assertLogContinuous(agent, name);
  await assertJournalIntact(agent);
  const repeated = requests.filter(({ sent }) => sent > 1);
  console.log(`${wanted} jobs accepted in ${accepted - begun} ms, done in ${done - begun} ms; ${unfinished} were accepted and not done when the agent was killed; ` +
    `${repeated.length} requests repeated, ${requests.filter((r) => r.wasAccepted).length} of them accepted already; ${instances.length} instances`);
  assert.ok(repeated.length > 0, 'the kill cost some clients their answer');
  assert.ok(unfinished > 0, 'there were jobs to take up');
}, { limit: 180 });
