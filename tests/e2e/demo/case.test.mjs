// The README's first command: scripts/demo, its five lines as somebody would paste them, Ctrl-C.
// The settings are config/demo/settings.toml.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { processesOf, program, seconds, services, within } from '../harness/index.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));

// Runs a pasted line in a shell; { code, out }. `enough(out)` ends one that would go on for ever,
// as Ctrl-C does.
function paste(line, enough = () => false) {
  return within(90, line, new Promise((resolve) => {
    const shell = spawn('bash', ['-c', line.includes('|') ? line : `exec ${line}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    const take = (text) => {
      out += text;
      if (enough(out)) shell.kill('SIGINT');
    };
    shell.stdout.setEncoding('utf8').on('data', take);
    shell.stderr.setEncoding('utf8').on('data', take);
    shell.on('close', (code) => resolve({ code, out }));
  }));
}

class Demo {
  constructor(environment = {}) {
    // A temporary directory of its own, to see that it leaves nothing there.
    this.tmp = mkdtempSync(path.join(tmpdir(), 'noforce-e2e-demo-'));
    this.child = spawn('scripts/demo', {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NOFORCE_BIN: program, NOFORCE_SERVICES_DIR: services, TMPDIR: this.tmp, ...environment },
    });
    this.out = '';
    this.changed = () => {};
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.out += text;
        this.changed();
      });
    }
    this.exit = new Promise((resolve) => this.child.once('close', (code, signal) => resolve({ code, signal })));
  }

  async ready() {
    const introduced = new Promise((resolve) => {
      this.changed = () => this.out.includes('Ctrl-C here') && resolve();
    });
    const ended = this.exit.then(() => {
      throw new Error(`scripts/demo ended at once:\n${this.out}`);
    });
    ended.catch(() => {});
    await within(90, 'scripts/demo introduces itself', Promise.race([introduced, ended]));
    this.lines = this.out.split('\n').filter((line) => line.startsWith('curl '));
    return this;
  }

  async end(signal) {
    this.child.kill(signal);
    return within(60, `scripts/demo ends after ${signal}`, this.exit);
  }

  // Whatever happened.
  cleanUp() {
    if (this.child.exitCode === null) this.child.kill('SIGKILL');
    for (const { pid } of processesOf(this.tmp)) process.kill(pid, 'SIGKILL');
    rmSync(this.tmp, { recursive: true, force: true });
  }
}

test('Its five lines work as they are pasted, and Ctrl-C leaves nothing behind', { timeout: seconds(240) }, async () => {
  const running = new Demo();
  try {
    await running.ready();
    await tryAll(running);
  } catch (error) {
    console.error(running.out);
    throw error;
  } finally {
    running.cleanUp();
  }
});

async function tryAll(running) {
  assert.equal(running.lines.length, 5);
  const [status, dryRun, restart, steps, events] = running.lines;
  for (const line of running.lines) assert.doesNotMatch(line, /nf_/, 'no token on a command line');

  assert.deepEqual((await paste(status)).out.split('\n').filter(Boolean).map((line) => line.split(' ').slice(0, 2).join(' ')), [
    'running antispam', 'running iisadmin', 'running pop3svc', 'running smtpsvc', 'running w3svc',
  ]);

  const plan = JSON.parse((await paste(dryRun)).out);
  assert.equal(plan.goes_down.length, 5);
  assert.equal(plan.would_answer.status, 409);

  const watching = paste(events, (out) => /"state": ?"done"/.test(out));
  const done = await paste(restart);
  assert.equal(done.code, 0);
  assert.match(done.out, /^succeeded restart iisadmin \d+\.\ds job=\w{26} down=-$/m);
  assert.match((await watching).out, /^event: job$/m);

  const list = JSON.parse((await paste(steps)).out);
  assert.equal(list.items.length, 1);
  const flush = list.items[0].steps.find((s) => s.service === 'smtpsvc' && s.operation === 'stop');
  assert.ok(flush.duration_ms >= 3000, 'the mail was written');
  assert.match(flush.status_text, /flushed 1000 of 1000/);

  assert.deepEqual(await running.end('SIGINT'), { code: 0, signal: null });
  assert.match(running.out, /Ended\.\n$/);
  assert.deepEqual(readdirSync(running.tmp), [], 'its temporary directory is gone');
  assert.deepEqual(processesOf(running.tmp), []);
}

test('SIGTERM ends it as well, and a directory that was given stays, with the mail in it', { timeout: seconds(240) }, async () => {
  const given = mkdtempSync(path.join(tmpdir(), 'noforce-e2e-demo-given-'));
  const running = new Demo({ NOFORCE_DEMO_PORT: '0', NOFORCE_DEMO_DIR: given });
  try {
    await running.ready();
    assert.deepEqual(await running.end('SIGTERM'), { code: 0, signal: null });
    assert.deepEqual(processesOf(given), []);
    assert.equal(readFileSync(path.join(given, 'queue.txt'), 'utf8').split('\n').filter(Boolean).length, 1000);
  } catch (error) {
    console.error(running.out);
    throw error;
  } finally {
    running.cleanUp();
    for (const { pid } of processesOf(given)) process.kill(pid, 'SIGKILL');
    rmSync(given, { recursive: true, force: true });
  }
});
