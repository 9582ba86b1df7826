// A real agent in a folder of its own, with real services, and what a test needs to talk to it.
import { spawn, execFile } from 'node:child_process';
import { createConnection } from 'node:net';
import { chownSync, existsSync, mkdtempSync, openSync, closeSync, readFileSync, realpathSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from './client.mjs';
import { Contract } from './contract.mjs';
import { EventStream } from './event_stream.mjs';
import { Life } from './life.mjs';
import { isAlive, processesOf } from './processes.mjs';
import { fillIn } from './settings.mjs';
import { seconds, within } from './time.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const firstThere = (...files) => files.find((file) => file && existsSync(file)) ?? files.at(-1);
export const program = process.env.NOFORCE_BIN ?? firstThere(`${root}build/dev/noforce`, `${root}build/release/noforce`);
export const services = process.env.NOFORCE_SERVICES_DIR ?? `${path.dirname(program)}/tests/services`;

let contract; // read once a process

export class Agent {
  // The agent, started and ready. `settings` is a case's template, as text. `through`: from the
  // test's folder to the words that stand before `noforce serve`, for a program that execs it.
  // `prepare`: what has to be in the folder before.
  static async start(settings, through = () => [], prepare = () => {}) {
    const agent = new this();
    agent.through = through(agent.dir);
    try {
      const { text, ports } = await fillIn(settings, { dir: agent.dir, state: agent.state, services });
      agent.ports = ports;
      await prepare(agent);
      writeFileSync(agent.settings, text, { mode: 0o600 });
      if (agent.user.uid) chownSync(agent.settings, agent.user.uid, agent.user.gid);
      await agent.run('init', '--state-dir', agent.state, '--host', 'localhost', '--host', '127.0.0.1');
      await agent.serve();
      return agent;
    } catch (error) {
      await agent.tearDown().catch(() => {});
      throw error;
    }
  }

  constructor() {
    this.dir = mkdtempSync(path.join(realpathSync(tmpdir()), 'noforce-e2e-'));
    this.state = `${this.dir}/state`;
    this.settings = `${this.dir}/settings.toml`;
    this.log = `${this.dir}/agent.log`;
    this.life = new Life(`${this.dir}/life`);
    this.systemd = null; // the case's own, which `prepare` made; it ends with the agent
    this.user = {}; // { uid, gid }: whose the settings are and who runs subcommands
    this.program = program; // or a copy of it where that user may not go
    this.through = [];
    this.kills = 'SIGKILL'; // or what a program that stands before it makes of another signal
    this.child = null;
    this.controls = {};
    this.streams = [];
    this.clients = [];
  }

  // Runs a subcommand to its end: { stdout, stderr }; rejects with `code` for another exit than 0.
  run(...words) {
    return promisify(execFile)(this.program, words, { timeout: seconds(30), encoding: 'utf8', ...this.user });
  }

  // Other settings, put in the place of the old ones by a rename; nobody has taken them up yet.
  async rewrite(template) {
    const { text, ports } = await fillIn(template, { dir: this.dir, state: this.state, services, ports: this.ports });
    this.ports = ports;
    writeFileSync(`${this.settings}.new`, text, { mode: 0o600 });
    renameSync(`${this.settings}.new`, this.settings);
  }

  // `noforce reload`: what it found. Rejects, with what it printed in `stderr`, when it is refused.
  async reload() {
    return (await this.run('reload', '--config', this.settings)).stdout.trim();
  }

  // A token as `noforce token create` prints it.
  async token(...words) {
    const { stdout } = await this.run('token', 'create', ...words, '--config', this.settings);
    const found = /\bnf_[A-Za-z0-9_-]{43}/.exec(stdout);
    if (!found) throw new Error(`noforce token create printed no token:\n${stdout}`);
    return found[0];
  }

  // Runs `noforce serve` in the folder; returns once it is ready.
  async serve() {
    const ended = this.launch();
    this.address = await within(30, `noforce serve writes agent.address; its log:\n${this.lastLog()}`, Promise.race([this.addressFile(), ended]));
    this.ca = readFileSync(`${this.state}/tls/ca.pem`, 'utf8');
    const token = readFileSync(`${this.state}/admin.token`, 'utf8').split('\n').find((line) => line && !line.startsWith('#')).split(/\s/)[0];
    contract ??= Contract.read();
    for (const client of this.clients) client.close();
    this.api = new Client({ address: this.address, ca: this.ca, token, contract });
    this.clients = [this.api];
    await within(30, 'the agent is ready (/readyz)', Promise.race([this.readiness(), ended]));
    this.wasReady = true;
  }

  // Runs it and does not wait for it: for who wants to kill it while it starts. The promise
  // rejects when it ends.
  launch() {
    rmSync(`${this.state}/agent.address`, { force: true });
    const log = openSync(this.log, 'a');
    const [first, ...rest] = [...this.through, this.program, 'serve', '--config', this.settings];
    const child = spawn(first, rest, { cwd: '/', stdio: ['ignore', log, log] });
    closeSync(log);
    this.child = child;
    this.exit = new Promise((resolve) => {
      child.once('error', (error) => resolve({ error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const ended = this.exit.then(({ code, signal, error }) => {
      throw new Error(`noforce serve ended at once (${error ?? signal ?? code}):\n${this.lastLog()}`);
    });
    ended.catch(() => {});
    return ended;
  }

  async addressFile() {
    const file = `${this.state}/agent.address`;
    let watcher;
    try {
      return await new Promise((resolve) => {
        const look = () => {
          const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
          if (text.endsWith('\n')) resolve(text.trim());
        };
        watcher = watch(this.state, look);
        look();
      });
    } finally {
      watcher.close();
    }
  }

  async readiness() {
    for (;;) {
      const answer = await this.api.get('/readyz').catch((error) => ({ status: 0, error }));
      if (answer.status === 200) return;
      if (answer.error && answer.error.code !== 'ECONNREFUSED') throw answer.error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  lastLog(lines = 60) {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').split('\n').slice(-lines).join('\n') : '';
  }

  story() {
    return [
      `--- the end of the agent's log (${this.dir}):`, this.lastLog(),
      '--- what the services did:', ...this.life.all().slice(-60).map((e) => `${e.at} ${e.name} ${e.event}`),
    ].join('\n');
  }

  get isRunning() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  // -- talking to it ------------------------------------------------------------------------

  as(token, identity) {
    const client = this.api.as(token, identity);
    this.clients.push(client);
    return client;
  }

  // The resource; throws when there is none.
  async service(name) {
    const answer = await this.api.get(`/v1/services/${name}`);
    if (answer.status !== 200) throw new Error(`GET service ${name} -> ${answer.status} ${answer.text}`);
    return answer.body;
  }

  // { iisadmin: 'running', ... }
  async states() {
    const answer = await this.api.get('/v1/services?limit=1000');
    return Object.fromEntries(answer.body.items.map((s) => [s.name, s.state]));
  }

  // POST /v1/services/NAME/ACTION?OPTIONS; the whole answer.
  act(action, name, options = {}) {
    const query = new URLSearchParams(options).toString();
    return this.api.post(`/v1/services/${name}/${action}${query ? `?${query}` : ''}`);
  }

  // The accepted job; throws when it was refused.
  async accepted(action, name, options = {}) {
    const answer = await this.act(action, name, options);
    if (answer.status !== 202 && answer.status !== 200) throw new Error(`${action} ${name} -> ${answer.status} ${answer.text}`);
    return answer.body;
  }

  // The job once it is done.
  async done(action, name, options = {}) {
    return this.waitJob((await this.accepted(action, name, options)).id);
  }

  async job(id) {
    const answer = await this.api.get(`/v1/jobs/${id}`);
    if (answer.status !== 200) throw new Error(`GET job ${id} -> ${answer.status} ${answer.text}`);
    return answer.body;
  }

  waitJob(id, limit = 60) {
    return within(limit, `job ${id} is done`, (async () => {
      for (;;) {
        const { status, text, body } = await this.api.get(`/v1/jobs/${id}?wait=${Math.min(limit, 60)}`);
        if (status !== 200) throw new Error(`GET job ${id} -> ${status} ${text}`);
        if (body.state === 'done') return body;
      }
    })());
  }

  async stream(options) {
    const stream = await EventStream.open(this.api, options);
    this.streams.push(stream);
    return stream;
  }

  // The service once it is as wanted: subscribed first, then looked at, so that nothing is missed.
  async untilService(name, fits, what, limit = 30) {
    const stream = await this.stream({ query: `service=${name}` });
    try {
      const now = await this.service(name);
      if (fits(now)) return now;
      return (await stream.until((e) => e.event === 'service' && fits(e.data), what ?? `${name} is as wanted`, limit)).data;
    } finally {
      stream.close();
    }
  }

  untilState(name, state, limit) {
    return this.untilService(name, (s) => s.state === state, `${name} is ${state}`, limit);
  }

  // All run, and the jobs by which the agent itself started them have ended (they may verify).
  async untilRunning(...names) {
    for (const name of names) await this.untilState(name, 'running');
    for (const state of ['running', 'queued']) {
      const { body } = await this.api.get(`/v1/jobs?state=${state}&limit=1000`);
      for (const job of body.items) if (job.requested_by === 'agent') await this.waitJob(job.id);
    }
  }

  // The job once it is as wanted, done or not.
  async untilJob(id, fits, what, limit = 30) {
    const stream = await this.stream({ query: `job=${id}` });
    try {
      const now = await this.job(id);
      if (fits(now)) return now;
      return (await stream.until((e) => e.event === 'job' && fits(e.data), what ?? `job ${id} is as wanted`, limit)).data;
    } finally {
      stream.close();
    }
  }

  // -- telling the services what to do ------------------------------------------------------

  // control('w3svc', { stop: 'hang' }): from now on; see tests/services/worker.cpp.
  control(name, behaviours) {
    const all = (this.controls[name] = { ...this.controls[name], ...behaviours });
    const file = `${this.dir}/${name}.control`;
    writeFileSync(`${file}.new`, Object.entries(all).map(([key, value]) => `${key} = ${value}\n`).join(''));
    renameSync(`${file}.new`, file);
  }

  // -- its end ------------------------------------------------------------------------------

  // Ends the agent by force, as a test of the agent: its services and its keeper live on.
  async kill() {
    this.child.kill(this.kills);
    await this.exit;
  }

  // As `systemctl stop` would. { code, signal }
  async end(limit = 30) {
    this.child.kill('SIGTERM');
    return within(limit, `noforce serve ends after SIGTERM; its log:\n${this.lastLog()}`, this.exit);
  }

  // Ends everything and makes sure of it. Throws when something was left, after removing it. The
  // agent's log goes to standard error when the test has failed, by then or before.
  async tearDown(hasFailed = false) {
    const wrong = [];
    for (const stream of this.streams) {
      stream.close();
      if (stream.error) wrong.push(stream.error.message);
    }
    // What hangs on purpose is let go, so that all can end gracefully.
    for (const name of Object.keys(this.controls)) this.control(name, { start: 'now', stop: 'now', run: 'ok' });
    if (this.child) {
      try {
        // Only an agent can end the services that it left.
        if (!this.systemd && !this.isRunning && this.wasReady && processesOf(this.dir).length > 0) await this.serve();
        const text = readFileSync(this.settings, 'utf8');
        if (this.isRunning && text.includes('on_exit = "leave"')) {
          await this.end();
          writeFileSync(this.settings, text.replace('on_exit = "leave"', 'on_exit = "stop"'));
          await this.serve();
        }
        const { code, signal } = this.isRunning ? await this.end() : await this.exit;
        if (code !== 0 && signal !== 'SIGKILL') wrong.push(`noforce serve ended with ${signal ?? `status ${code}`}`);
      } catch (error) {
        wrong.push(error.message);
      }
    }
    await this.systemd?.end().catch((error) => wrong.push(error.message));
    for (const client of this.clients) client.close();
    for (const { pid, command } of processesOf(this.dir)) {
      wrong.push(`left behind: ${pid} ${command}`);
      process.kill(pid, 'SIGKILL');
    }
    if (this.address && (await isOpen(this.address))) wrong.push(`somebody still listens on ${this.address}`);
    if (this.life.all().some((e) => e.event === 'doubled')) wrong.push(`a service ran twice:\n${this.life.sentences().join('\n')}`);
    if (hasFailed || wrong.length > 0) console.error(this.story());
    if (!process.env.NOFORCE_E2E_KEEP) rmSync(this.dir, { recursive: true, force: true });
    if (wrong.length > 0) throw new Error(`left after the test:\n  ${wrong.join('\n  ')}`);
  }
}

function isOpen(address) {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = createConnection({ host, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export { isAlive };
