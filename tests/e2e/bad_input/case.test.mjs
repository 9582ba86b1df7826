// Whatever is sent: a problem document whose sentence says what to do, or a closed connection;
// never a hang, nothing kept, nothing told that is nobody's business.
import assert from 'node:assert/strict';
import { Raw, clientHello, isAlive, openFiles, openFilesDownTo, privateMemory, scenarios, seconds, sleep, within } from '../harness/index.mjs';
import { slow, table } from './table.mjs';

const scenario = scenarios(import.meta.url);
const slowdown = seconds(1) / 1000;
// A sanitizer keeps freed memory back on purpose.
const mostGrowth = (slowdown > 1 ? 512 : 32) * 1024;
const atOnce = 8;

// What an answer has no business to tell: where files lie, what the code is made of.
const secrets = [/std::|basic_string|terminate|exception|nlohmann|parse_error|httplib|sqlite|SSL routines|OpenSSL|\.[ch]pp\b/i, /\/tmp\/|\/root|\/home|\/usr\//];

// Each request from an address of its own, so that no limit on one of them is what answers.
let nextAddress = 0;
const freshAddress = () => {
  nextAddress += 1;
  return `127.${16 + ((nextAddress >> 16) & 63)}.${(nextAddress >> 8) & 255}.${(nextAddress & 255) || 255}`;
};

async function prepared(agent) {
  await agent.untilRunning('base', 'leaf');
  const job = await agent.done('restart', 'leaf');
  const fill = (text) => (Buffer.isBuffer(text) ? text : text.replaceAll('{TOKEN}', agent.api.token).replaceAll('{JOB}', job.id));
  const drip = async (raw, text) => {
    for (const byte of text) {
      if (raw.ended) return;
      raw.send(byte);
      await sleep(1000);
    }
  };
  return { agent, fill, drip, hello: await clientHello(), jobs: (await agent.api.get('/v1/jobs')).body.items.length };
}

function assertTellsNothing(told, { agent }, sent) {
  for (const secret of [agent.dir, agent.api.token, process.cwd()]) assert.ok(!told.includes(secret), `tells ${secret}:\n${told}`);
  // What was sent may be quoted.
  for (const secret of secrets) {
    const found = secret.exec(told)?.[0];
    assert.ok(!found || String(sent).includes(found), `tells ${found}:\n${told}`);
  }
}

function assertProblem(answer, row) {
  const what = `${answer.head}\n\n${answer.text}`;
  assert.equal(answer.status, row.status, what);
  assert.equal(answer.headers['content-type'], 'application/problem+json', what);
  const problem = JSON.parse(answer.text);
  assert.equal(problem.code, row.code, what);
  assert.equal(problem.status, row.status, what);
  assert.match(problem.detail, row.says, what);
  assert.match(problem.detail, /^[A-Z"].{15,}[.?)]$/s, `not a sentence: ${what}`);
  if (row.status === 405) assert.ok(answer.headers.allow, what);
  if (row.status === 401) assert.match(answer.headers['www-authenticate'], /^Bearer realm/, what);
}

// What says that it closes, closes without another word; what does not, answers the next request.
async function assertEndsAsItSays(raw, answer) {
  if (answer.headers['transfer-encoding']) return; // an event stream
  if (answer.headers.connection === 'close') {
    assert.equal(await raw.answer(), null, 'nothing is answered after Connection: close');
    return;
  }
  raw.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const next = await raw.answer();
  assert.equal(next?.status, 200, `the connection stays open and does not answer:\n${next?.head}\n${next?.text}`);
}

async function assertRow(row, context, from) {
  const { agent, fill } = context;
  const raw = row.on === 'tcp' ? await Raw.tcp(agent, { from }) : await Raw.tls(agent, { from, pieces: row.pieces });
  try {
    if (row.play) await row.play(raw, { ...context, row });
    else raw.send(fill(row.sent));
    if (row.closes) {
      if (row.sent === '') raw.end();
      await raw.closed(row.limit);
      // A TLS alert or the server's half of a handshake may have come; HTTP did not.
      if (raw.socket !== raw.below) assert.ok(row.play || raw.received.length === 0, raw.received.toString('latin1').slice(0, 300));
      return;
    }
    if (row.all) {
      for (const status of row.all) assert.equal((await raw.answer())?.status, status);
      if (row.all.at(-1) >= 400 || row.all.length === 1) assert.equal(await raw.answer(), null, 'more was answered');
      return;
    }
    const answer = await raw.answer({ limit: row.limit });
    if (answer === null && row.orCloses) return; // what TLS takes for garbage
    assert.ok(answer, 'the connection was closed without an answer');
    assertTellsNothing(`${answer.head}\n${answer.text}`, context, row.sent);
    if (row.tolerated) assert.equal(answer.status, row.status, answer.text);
    else assertProblem(answer, row);
    await assertEndsAsItSays(raw, answer);
  } finally {
    raw.destroy();
  }
}

// Every row that is not as it should be, with why.
async function play(rows, context) {
  const waiting = [...rows];
  const wrong = [];
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      await assertRow(row, context, freshAddress()).catch((error) => wrong.push(`${row.what}: ${error.message}`));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return wrong;
}

async function assertStillWell({ agent, jobs }, pid) {
  assert.ok(isAlive(pid) && agent.isRunning && agent.child.pid === pid, 'the agent lives');
  const answer = await within(5, 'a status request is answered', agent.api.get('/v1/services'));
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body.items.map((s) => [s.name, s.state]), [['base', 'running'], ['leaf', 'running']]);
  assert.equal((await agent.api.get('/v1/jobs')).body.items.length, jobs, 'no job came of it');
}

scenario(`${table.length} kinds of bad input get a sentence or a closed connection, and leave nothing behind`, async (agent) => {
  assert.equal(new Set(table.map((row) => row.what)).size, table.length, 'each kind has a name of its own');
  const context = await prepared(agent);
  const { pid } = agent.child;
  // So many rounds, or as many as there is time for where the machine is busy.
  const inRounds = async (rounds, least, budget) => {
    const until = Date.now() + budget;
    const memory = [];
    while (memory.length < rounds && (memory.length < least || Date.now() < until)) {
      assert.deepEqual(await play(table, context), [], `in round ${memory.length + 1}`);
      memory.push(privateMemory(pid));
    }
    return { rounds: memory.length, memory: Math.max(...memory) };
  };
  // By then every thread has its part of the heap.
  const first = await inRounds(10, 2, 15000);
  await assertStillWell(context, pid);
  const files = await openFilesDownTo(pid, 0, 1);
  const later = await inRounds(40, 3, 30000);
  await assertStillWell(context, pid);
  const left = await openFilesDownTo(pid, files);
  console.log(`${table.length} rows: RssAnon ${first.memory} KiB at most in the first ${first.rounds} rounds, ${later.memory} KiB in ${later.rounds} more; ${files} files open, then ${left}`);
  assert.ok(later.memory - first.memory < mostGrowth, `memory grew from ${first.memory} to ${later.memory} KiB`);
  assert.ok(left <= files, `${files} files were open, then ${left}`);
}, { limit: 240 });

scenario('What never ends is ended by a deadline', async (agent) => {
  const context = await prepared(agent);
  const { pid } = agent.child;
  const files = openFiles(pid);
  const wrong = [];
  await Promise.all(slow.map((row) => assertRow(row, context, freshAddress()).catch((error) => wrong.push(`${row.what}: ${error.message}`))));
  assert.deepEqual(wrong, []);
  await assertStillWell(context, pid);
  assert.ok((await openFilesDownTo(pid, files)) <= files, 'every connection is closed again');
});
