// An agent whose state directory is on a small disk of its own: a tmpfs in a private mount namespace.
// The test file starts itself again in such a namespace; with its last process the mount is gone.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, rmdirSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fillIn } from '../harness/settings.mjs';
import { Agent, seconds, services, within } from '../harness/index.mjs';

const inside = 'NOFORCE_E2E_PRIVATE_MOUNTS';

// Runs the tests of this file in a mount namespace of their own. True: this is inside.
export function isInPrivateMounts(url) {
  if (process.env[inside]) return true;
  const file = fileURLToPath(url);
  test('In mounts of its own', { timeout: seconds(280) }, async () => {
    const words = process.geteuid() === 0 ? ['--mount', '--propagation', 'private'] : ['--user', '--map-root-user', '--mount'];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn('unshare', [...words, process.execPath, '--test', '--test-reporter=spec', file], { env: { ...env, [inside]: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += part));
    const code = await new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new Error(`no private mounts, so no disk to fill: ${error.message}`)));
      child.once('close', resolve);
    });
    assert.equal(code, 0, said);
    assert.match(said, /pass [1-9]/, said);
  });
  return false;
}

class Disk {
  constructor(at, mib) {
    this.at = at;
    this.neighbour = `${at}/neighbour`;
    mkdirSync(at, { mode: 0o700 });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=700`, 'none', at], { encoding: 'utf8' });
    } catch (error) {
      rmdirSync(at);
      throw new Error(`no tmpfs can be mounted, so no disk can be filled: ${error.stderr ?? error.message}`);
    }
  }

  // Somebody else's file takes all that is left.
  fill() {
    const file = openSync(this.neighbour, 'a', 0o600);
    try {
      for (const size of [1 << 20, 4096, 1]) {
        const block = Buffer.alloc(size, 'x');
        try {
          while (writeSync(file, block) > 0);
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error;
        }
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  empty() {
    rmSync(this.neighbour, { force: true });
  }

  remove() {
    execFileSync('umount', [this.at]);
    rmdirSync(this.at);
  }
}

// Returns once it answers, ready or not.
export async function serveUnready(agent) {
  const { readiness } = agent;
  agent.readiness = async () => assert.equal((await agent.api.get('/healthz')).status, 200);
  try {
    await agent.serve();
  } finally {
    agent.readiness = readiness;
  }
}

// scenario(sentence, async (agent, disk) => ...), on a disk of 32 MiB.
export function scenariosOnSmallDisk(url) {
  const template = readFileSync(new URL('settings.toml', url), 'utf8');
  return function scenario(sentence, body, { limit = 90 } = {}) {
    test(sentence, { timeout: seconds(limit + 90) }, async () => {
      const agent = new Agent();
      const disk = new Disk(`${agent.dir}-disk`, 32);
      agent.state = `${disk.at}/state`;
      const failures = [];
      try {
        const { text } = await fillIn(template, { dir: agent.dir, state: agent.state, services });
        writeFileSync(agent.settings, text, { mode: 0o600 });
        await agent.run('init', '--state-dir', agent.state, '--host', 'localhost', '--host', '127.0.0.1');
        await agent.serve();
        await within(limit, sentence, body(agent, disk));
      } catch (error) {
        failures.push(error);
      }
      disk.empty();
      await agent.tearDown(failures.length > 0).catch((error) => failures.push(error));
      try {
        disk.remove();
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0) throw failures[0];
    });
  };
}
