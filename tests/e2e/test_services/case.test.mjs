// The test services without an agent: what the cases conclude from them has to be true of them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Life } from '../harness/life.mjs';
import { Lines, askOnce, isAlive, seconds, services, sleep, within } from '../harness/index.mjs';
import { fillIn } from '../harness/settings.mjs';

class Folder {
  constructor() {
    this.dir = mkdtempSync(path.join(tmpdir(), 'noforce-e2e-services-'));
    this.life = new Life(`${this.dir}/life`);
    this.children = [];
  }

  // { child, exit }; exit: { code, signal }
  run(program, name, ...words) {
    const argv = ['--name', name, '--events', this.life.file, '--lock', `${this.dir}/${name}.lock`, ...words];
    const child = spawn(`${services}/svc_${program}`, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.children.push(child);
    return { child, exit: new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal }))) };
  }
}

const port = async () => (await fillIn('${PORT_X}', {})).ports.X;

function service(sentence, body) {
  test(sentence, { timeout: seconds(30) }, async () => {
    const folder = new Folder();
    try {
      await within(25, sentence, body(folder));
    } finally {
      for (const child of folder.children) child.kill('SIGKILL');
      rmSync(folder.dir, { recursive: true, force: true });
    }
  });
}

// A spool that holds 1 000 messages and takes half a second to write them.
async function fullSpool(folder) {
  const listen = await port();
  const file = `${folder.dir}/queue.txt`;
  const spool = folder.run('spool', 'spool', '--listen', `127.0.0.1:${listen}`, '--spool', file, '--flush-ms', '500');
  await folder.life.until('spool ready');
  const lines = await Lines.open({ port: listen });
  const ids = Array.from({ length: 1000 }, (_, i) => `m${i}`);
  assert.deepEqual(await Promise.all(ids.map((id) => lines.ask(`MSG ${id}`))), ids.map((id) => `OK ${id}`));
  return { spool, ids, written: () => readFileSync(file, 'utf8').split('\n').filter(Boolean) };
}

service('The spool writes what it accepted when it is asked to stop, and takes its time', async (folder) => {
  const { spool, ids, written } = await fullSpool(folder);
  assert.deepEqual(written(), [], 'in memory only');
  spool.child.kill('SIGTERM');
  assert.deepEqual(await spool.exit, { code: 0, signal: null });
  assert.deepEqual(written(), ids);
  const [stop, end] = ['stop', 'end'].map((event) => folder.life.of('spool', event)[0].at);
  assert.ok(end - stop >= 490, `${end - stop} ms`);
});

service('The spool loses messages when it is killed meanwhile', async (folder) => {
  const { spool, ids, written } = await fullSpool(folder);
  spool.child.kill('SIGTERM');
  await folder.life.until('spool stop');
  await sleep(200);
  spool.child.kill('SIGKILL');
  await spool.exit;
  assert.ok(written().length < ids.length);
});

service('The configuration service saves on a clean stop and not otherwise', async (folder) => {
  const where = { path: `${folder.dir}/c.sock` };
  const start = async () => {
    const mark = folder.life.mark();
    const running = folder.run('confsvc', 'conf', '--listen', `unix:${where.path}`, '--file', `${folder.dir}/settings`);
    await folder.life.until('conf ready', mark);
    return running;
  };
  const first = await start();
  await askOnce(where, 'SET a 1 2');
  first.child.kill('SIGTERM');
  assert.deepEqual(await first.exit, { code: 0, signal: null });
  const second = await start();
  assert.equal(await askOnce(where, 'GET a'), 'VALUE 1 2');
  await askOnce(where, 'SET a other');
  second.child.kill('SIGKILL');
  await second.exit;
  await start();
  assert.equal(await askOnce(where, 'GET a'), 'VALUE 1 2');
});

service('A second instance notices the first and ends with 99', async (folder) => {
  folder.run('worker', 'w');
  await folder.life.until('w ready');
  assert.deepEqual(await folder.run('worker', 'w').exit, { code: 99, signal: null });
  assert.equal(folder.life.of('w', 'doubled').length, 1);
});

service('The worker hangs in its stop until the control file says otherwise', async (folder) => {
  const control = `${folder.dir}/control`;
  writeFileSync(control, 'stop = hang\n');
  const { child, exit } = folder.run('worker', 'w', '--control', control);
  await folder.life.until('w ready');
  child.kill('SIGTERM');
  await folder.life.until('w stop');
  child.kill('SIGTERM');
  await folder.life.until('w stop again');
  assert.ok(isAlive(child.pid));
  writeFileSync(control, 'stop = after 50\n');
  assert.deepEqual(await exit, { code: 0, signal: null });
});

for (const [words, expected] of [
  [['--start', 'crash 7'], 7],
  [['--run', 'crash 50 3'], 3],
]) {
  service(`The worker crashes as it is told: ${words.join(' ')}`, async (folder) => {
    assert.equal((await folder.run('worker', 'w', ...words).exit).code, expected);
  });
}

service('The worker answers HTTP as it is told, also while it runs', async (folder) => {
  const control = `${folder.dir}/control`;
  const listen = await port();
  folder.run('worker', 'w', '--control', control, '--http', String(listen));
  await folder.life.until('w ready');
  assert.equal((await fetch(`http://127.0.0.1:${listen}/`)).status, 200);
  writeFileSync(control, 'answer = 500\n');
  assert.equal((await fetch(`http://127.0.0.1:${listen}/`)).status, 500);
  writeFileSync(control, 'answer = never\n');
  await assert.rejects(fetch(`http://127.0.0.1:${listen}/`, { signal: AbortSignal.timeout(200) }));
});
