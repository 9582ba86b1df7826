// A Windows under Wine with an estate of services and the agent as a service among them.
//
// To be run by scripts/under-wine, which makes the Windows and ends it. Output of Wine's programs goes
// to files: what they leave running would hold a pipe open for ever.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, freePort, seconds, sleep } from '../e2e/harness/index.mjs';

const root = new URL('../..', import.meta.url).pathname;
const built = process.env.NOFORCE_WINDOWS_BUILD ?? join(root, 'build/windows');

export class Machine {
  // name: of the folder on C: and of the agent's service.
  constructor(name) {
    this.name = name;
    this.folder = join(process.env.WINEPREFIX, 'drive_c', name);
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(join(this.folder, 'estate'), { recursive: true });
    for (const program of ['noforce.exe', 'tests/services/svc_hosted.exe']) {
      copyFileSync(join(built, program), join(this.folder, program.split('/').at(-1)));
    }
  }

  // A program of this machine: { status, out }.
  wine(...words) {
    const log = join(this.folder, 'wine.log');
    const file = openSync(log, 'w');
    const run = spawnSync('wine', words, { stdio: ['ignore', file, file], timeout: seconds(90) });
    closeSync(file);
    return { status: run.status, out: readFileSync(log, 'utf8') };
  }
  noforce(...words) {
    return this.wine(`C:\\${this.name}\\noforce.exe`, ...words);
  }
  hosted(...words) {
    return this.wine(`C:\\${this.name}\\svc_hosted.exe`, ...words);
  }
  must({ status, out }) {
    assert.equal(status, 0, out);
    return out;
  }

  install(estate) {
    this.estate = estate;
    this.must(this.hosted('install', estate, `C:\\${this.name}\\estate`));
  }

  // What the service's control file says from now on.
  behave(service, lines) {
    const file = join(this.folder, 'estate', `${service}.control`);
    writeFileSync(`${file}.next`, lines.join('\n') + '\n');
    renameSync(`${file}.next`, file);
  }
  events(service) {
    try {
      return readFileSync(join(this.folder, 'estate', `${service}.events`), 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  }
  mail(service) {
    try {
      return readFileSync(join(this.folder, 'estate', `${service}.spool`), 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  }

  // The agent of a run that was broken off starts with Windows.
  async takeAwayWhatIsLeft() {
    if (!/STATE/.test(this.wine('sc', 'query', this.name).out)) return; // there is none
    this.wine('sc', 'stop', this.name);
    await this.untilStopped();
    this.must(this.noforce('service', 'uninstall', '--name', this.name));
  }
  untilStopped() {
    return this.until('the agent ends', () => /STATE\s*: 1 /.test(this.wine('sc', 'query', this.name).out));
  }

  async startAgent(settings = []) {
    await this.takeAwayWhatIsLeft();
    this.port = await freePort();
    writeFileSync(join(this.folder, 'noforce.toml'), [
      '[server]', `listen = "127.0.0.1:${this.port}"`, `state_dir = 'C:\\${this.name}\\state'`,
      '[scm]', 'backend = "windows"',
      '[log]', `file = 'C:\\${this.name}\\noforce.log'`,
      ...settings, '',
    ].join('\n'));
    const config = `C:\\${this.name}\\noforce.toml`;
    this.must(this.noforce('init', '--config', config));
    this.must(this.noforce('service', 'install', '--name', this.name, '--config', config));
    this.must(this.noforce('service', 'start', '--name', this.name));
    this.ca = join(this.folder, 'state/tls/ca.pem');
    this.header = join(this.folder, 'state/admin.header');
    const token = readFileSync(join(this.folder, 'state/admin.token'), 'utf8').split('\n')[0];
    this.client = new Client({ address: `127.0.0.1:${this.port}`, ca: readFileSync(this.ca), token, sockets: 4 });
    return this.untilServed();
  }

  // curl over TLS, as a person does it: the answer's text.
  curl(path, ...options) {
    return execFileSync('curl', ['--silent', '--show-error', '--max-time', '120', '--cacert', this.ca, '--header', `@${this.header}`,
      ...options, `https://127.0.0.1:${this.port}${path}`], { encoding: 'utf8' });
  }
  json(path, ...options) {
    return JSON.parse(this.curl(path, ...options));
  }

  // Until the agent takes requests (again).
  async untilServed() {
    await this.until('the agent answers', () => this.client.get('/readyz').then(({ status }) => status === 200, () => false));
  }

  async service(name) {
    return (await this.client.get(`/v1/services/${name}`)).body;
  }
  async states() {
    const { body } = await this.client.get('/v1/services?limit=1000');
    return Object.fromEntries(body.items.map((it) => [it.name, it.state]));
  }
  async until(what, holds, limit = 30) {
    const end = Date.now() + seconds(limit);
    for (;;) {
      if (await holds()) return;
      assert.ok(Date.now() < end, `not within ${limit} s: ${what}`);
      await sleep(50);
    }
  }
  // The job once it is done.
  async done(action, service, options = {}) {
    const job = await this.accepted(action, service, options);
    return this.ended(job.id);
  }
  async accepted(action, service, options = {}) {
    const answer = await this.client.request('POST', `/v1/services/${service}/${action}`, { body: options });
    assert.ok(answer.status === 202 || answer.status === 200, `${answer.status}: ${answer.text}`);
    return answer.body;
  }
  async ended(id) {
    for (;;) {
      const { body } = await this.client.get(`/v1/jobs/${id}?wait=60`);
      if (body.state === 'done') return body;
    }
  }

  // By force, as nothing in the program does.
  endByForce(pid) {
    this.must(this.hosted('end', String(pid)));
  }

  // Leaves no service of this machine running, and none installed.
  async end(services) {
    for (const name of services) {
      this.behave(name, []);
      await this.done('stop', name, { dependents: 'include' });
    }
    this.client.close();
    this.wine('sc', 'stop', this.name);
    await this.untilStopped();
    this.must(this.noforce('service', 'uninstall', '--name', this.name));
    this.must(this.hosted('remove', this.estate));
  }
}
