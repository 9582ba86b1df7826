// Live events: nothing is missed silently, whatever happens to the connection.
import assert from 'node:assert/strict';
import { scenarios } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const isDone = (id) => (e) => e.event === 'job' && e.data.id === id && e.data.state === 'done';

scenario('A job can be followed from its acceptance to its end', async (agent) => {
  await agent.untilRunning('one');
  // Long enough in each state to be seen in it: quick changes come as one event.
  agent.control('one', { stop: 'after 200', start: 'after 200' });
  const stream = await agent.stream();

  const job = await agent.accepted('restart', 'one');
  await stream.until(isDone(job.id), 'the job is done');

  const states = stream.events.filter((e) => e.event === 'job' && e.data.id === job.id).map((e) => e.data.state);
  assert.deepEqual([...new Set(states)].filter((s) => s !== 'queued'), ['running', 'done']);
  const services = stream.events.filter((e) => e.event === 'service' && e.data.name === 'one').map((e) => e.data.state);
  for (const state of ['stop_pending', 'stopped', 'start_pending', 'running']) assert.ok(services.includes(state), `${state} in ${services}`);
  const last = stream.events.filter((e) => e.event === 'job').at(-1).data;
  const { body } = await agent.api.get(`/v1/jobs/${job.id}`);
  assert.deepEqual(last, body, 'the last event is the resource');
});

scenario('A stream that is broken and resumed misses nothing', async (agent) => {
  await agent.untilRunning('one', 'two');
  const whole = await agent.stream();
  let broken = await agent.stream();
  const pieces = [];
  const job = async (name) => (await agent.done('restart', name)).id;

  let id = await job('one');
  for (let round = 0; round < 5; round += 1) {
    await broken.until(isDone(id), 'the job in the broken stream');
    broken.close();
    pieces.push(...broken.events);
    // While nobody listens ...
    await Promise.all([job('one'), job('two')]);
    // ... and as the stream comes back.
    const next = job('one');
    broken = await agent.stream({ lastEventId: broken.lastId });
    id = await next;
  }
  await broken.until(isDone(id), 'the last job in the broken stream');
  await whole.until(isDone(id), 'the last job in the whole stream');
  pieces.push(...broken.events);

  assert.equal(pieces.filter((e) => e.event === 'gap').length, 0);
  const end = (events) => events.findIndex(isDone(id)) + 1;
  const ids = (events) => events.slice(0, end(events)).map((e) => e.id);
  const from = ids(whole.events).indexOf(pieces[0].id);
  assert.ok(from >= 0);
  assert.deepEqual(ids(pieces), ids(whole.events).slice(from), 'the same events, each once, in the same order');
});

scenario('Who comes back too late is told so', async (agent) => {
  await agent.untilRunning('one', 'two');
  const stream = await agent.stream();
  const first = await agent.done('restart', 'one');
  const seen = await stream.until(isDone(first.id), 'the first job');
  stream.close();
  const all = await agent.stream();
  // More events than the agent keeps.
  const jobs = [];
  while (all.events.length < 3000) {
    await Promise.all(Array.from({ length: 50 }, async () => jobs.push((await agent.accepted('start', 'one')).id)));
    await all.until(isDone(jobs.at(-1)), 'the last of them');
  }

  const late = await agent.stream({ lastEventId: seen.id });
  await late.until((e) => e.event === 'gap', 'a gap');

  assert.equal(late.events[0].event, 'gap', 'before anything else');
});

scenario('An id of another run of the agent starts with a gap', async (agent) => {
  await agent.untilRunning('one');
  const stream = await agent.stream();
  const job = await agent.done('restart', 'one');
  const seen = await stream.until(isDone(job.id), 'the job');
  await agent.kill();
  await agent.serve();

  const resumed = await agent.stream({ lastEventId: seen.id });
  await resumed.until((e) => e.event === 'gap', 'a gap');

  const nonsense = await agent.stream({ lastEventId: 'nonsense' });
  await nonsense.until((e) => e.event === 'gap', 'a gap');
});

scenario('A filter lets through what it names and nothing else', async (agent) => {
  await agent.untilRunning('one', 'two');
  const ofTwo = await agent.stream({ query: 'service=two' });
  await agent.done('restart', 'one');
  const job = await agent.done('restart', 'two');
  await ofTwo.until((e) => e.event === 'service' && e.data.state === 'running', 'two is running');
  await ofTwo.until(isDone(job.id), 'the job');
  for (const e of ofTwo.events) {
    if (e.event === 'service') assert.equal(e.data.name, 'two');
    if (e.event === 'job') assert.deepEqual(e.data.services, ['two']);
  }
  const ofJob = await agent.stream({ query: `job=${job.id}` });
  const other = await agent.done('restart', 'two');
  assert.equal(ofJob.events.some((e) => e.event === 'job' && e.data.id === other.id), false);
});
