// What must be true after everything, whatever happened to the agent meanwhile. Each takes its
// evidence from somebody other than who is judged: the services' own records, the audit trail,
// SQLite.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

// All items of a list, however many pages it has.
export async function everyItem(api, path) {
  const items = [];
  let token = '';
  do {
    const more = token && `&page_token=${encodeURIComponent(token)}`;
    const { status, text, body } = await api.get(`${path}${path.includes('?') ? '&' : '?'}limit=1000${more}`);
    assert.equal(status, 200, text);
    items.push(...body.items);
    token = body.next_page_token;
  } while (token);
  return items;
}

// Each instance of each service: started once, ready, asked to stop once, ended; and only then the
// next one. `names` run now; all others do not.
export function assertLivedInOrder(life, running) {
  const instances = []; // { name, pid, stopped }
  const last = new Map();
  for (const { at, name, pid, event } of life.all()) {
    const now = last.get(name);
    const follows = { start: 'end', ready: 'start', stop: 'ready', end: 'stop' }[event];
    const what = `${name} ${pid} '${event}' at ${at} after ${now ? `${now.pid} '${now.event}'` : 'nothing'}`;
    assert.ok(follows !== undefined, what);
    assert.equal(now?.event ?? 'end', follows, what);
    if (event === 'start') instances.push({ name, pid });
    else assert.equal(pid, now.pid, what);
    last.set(name, { pid, event });
  }
  for (const [name, { event }] of last) assert.equal(event, running.has(name) ? 'ready' : 'end', `the last of ${name}`);
  return instances;
}

// The lines that a service numbers (--count) lie in its log from the first to the last, in order.
export function assertLogContinuous(agent, name) {
  const numbers = [...readFileSync(`${agent.state}/logs/${name}.log`, 'utf8').matchAll(/ #(\d+)$/gm)].map((m) => Number(m[1]));
  const wrong = numbers.findIndex((number, i) => number !== i + 1);
  assert.equal(wrong, -1, `logs/${name}.log has #${numbers[wrong]} after #${numbers[wrong - 1] ?? 0}`);
  const counted = Number(readFileSync(`${agent.dir}/${name}.count`, 'utf8'));
  // It goes on writing while it is looked at, but not backwards.
  assert.ok(numbers.length > 0 && counted >= numbers.length, `logs/${name}.log: ${numbers.length} of ${counted} lines`);
  return numbers.length;
}

// Each of these jobs, and no other, was accepted once and ended once, as the audit trail has it.
export async function assertEndedOnce(agent, jobs) {
  const trail = await everyItem(agent.api, '/v1/audit');
  for (const event of ['job.accepted', 'job.done']) {
    const rows = trail.filter((row) => row.event === event);
    const count = new Map();
    for (const { job } of rows) count.set(job, (count.get(job) ?? 0) + 1);
    const wrong = jobs.filter(({ id }) => count.get(id) !== 1).map(({ id }) => `${id}: ${count.get(id) ?? 0}`);
    assert.deepEqual(wrong, [], `jobs with more or less than one ${event}`);
    assert.equal(rows.length, jobs.length, `rows of ${event}`);
  }
  const outcome = new Map(trail.filter((row) => row.event === 'job.done').map((row) => [row.job, row.outcome]));
  for (const { id, result } of jobs) assert.equal(outcome.get(id), result, `the audit trail on ${id}`);
}

// What the services did and what the jobs say that they did is the same, one by one: each stop that a
// service got and each start is a step of one job, and no step tells of another.
export function assertReportedAsLived(jobs, life) {
  for (const [operation, pid] of [['stop', 'pid_before'], ['start', 'pid_after']]) {
    const reported = jobs.flatMap((job) => job.steps
      .filter((step) => step.operation === operation && step.result === 'succeeded')
      .map((step) => `${step.service} ${step[pid]}`));
    const lived = life.all().filter((e) => e.event === operation).map((e) => `${e.name} ${e.pid}`);
    assert.deepEqual(reported.sort(), lived.sort(), `every ${operation}, as the jobs have it and as the services have it`);
  }
}

// Jobs that touch the same service ran one after the other, in the order of their ids.
// touched: job -> names.
export function assertOrderKept(jobs, touched) {
  const last = new Map();
  for (const job of [...jobs].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (job.started_at === null) continue; // cancelled in the queue
    for (const name of new Set(touched(job))) {
      const before = last.get(name);
      assert.ok(!before || before.finished_at <= job.started_at,
        `${name}: ${[before, job].map((j) => `${j?.id} accepted ${j?.created_at}, ran from ${j?.started_at} to ${j?.finished_at}`).join('; ')}`);
      last.set(name, job);
    }
  }
}

// Asked of SQLite and of noforce itself, on what is on disk.
export async function assertJournalIntact(agent) {
  const program = 'import sqlite3,sys\nprint(*[r[0] for r in sqlite3.connect("file:"+sys.argv[1]+"?mode=ro",uri=True).execute("PRAGMA integrity_check")])';
  const { stdout: integrity } = await promisify(execFile)('python3', ['-c', program, `${agent.state}/noforce.db`]);
  assert.equal(integrity.trim(), 'ok');
  const { stdout } = await agent.run('audit', 'verify', '--config', agent.settings);
  return stdout.trim();
}
