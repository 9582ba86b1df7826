// A systemd of a case's own: `systemd --user` in a private mount namespace and a control group of its
// own, with no units but the case's. The agent finds it by XDG_RUNTIME_DIR.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, readdirSync, rmSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from './time.mjs';

let count = 0;

export const hierarchies = () => (existsSync('/sys/fs/cgroup/cgroup.procs')
  ? ['/sys/fs/cgroup']
  : readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`).filter((dir) => existsSync(`${dir}/cgroup.procs`)));

// $1: the group, with which all that runs from here on is found again.
export const joinGroup = `
for h in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -e "$h/cgroup.procs" ] || continue
  mkdir -p "$h/$1" 2>/dev/null || continue
  for f in cpuset.cpus cpuset.mems; do
    [ ! -e "$h/$f" ] || cat "$h/$f" > "$h/$1/$f" 2>/dev/null
  done
  echo $$ > "$h/$1/cgroup.procs" 2>/dev/null
done
`;

// Its own control group first, then its own /run/systemd, with what hides files from sandboxed units, then
// systemd; before that a journald and all of /run for itself, where $2 says so. $1: the group.
const become = `${joinGroup}
mount --make-rprivate / && { [ -z "$2" ] || mount -t tmpfs -o mode=755 tmpfs /run; } &&
mkdir -p /run/systemd && mount -t tmpfs -o mode=755 tmpfs /run/systemd &&
mkdir /run/systemd/system && umask 022 &&
mkdir /run/systemd/inaccessible && cd /run/systemd/inaccessible && mkdir -m 0 dir && install -m 0 /dev/null reg && cd / &&
if [ -n "$2" ]; then
  mkdir -p /run/log /run/systemd/journald.conf.d
  printf '[Journal]\\nStorage=volatile\\nRateLimitIntervalSec=0\\nReadKMsg=no\\nAudit=no\\nForwardToSyslog=no\\nForwardToWall=no\\n' > /run/systemd/journald.conf.d/case.conf
  /lib/systemd/systemd-journald & echo $! > "$XDG_RUNTIME_DIR/journald.pid"
  while ! [ -e /run/systemd/journal/stdout ]; do sleep 0.01; done
fi
exec /lib/systemd/systemd --user --unit=basic.target`;

export class Systemd {
  // units: { 'web.service': '[Service]\\n...' }. journal: with a journald. Returns once it answers.
  static async start(dir, units, { journal = false } = {}) {
    const systemd = new Systemd(dir, units);
    systemd.journal = journal;
    await systemd.begin();
    return systemd;
  }

  constructor(dir, units) {
    this.dir = `${dir}/systemd`;
    this.run = `${this.dir}/run`;
    this.cgroup = `noforce-e2e-${process.pid}-${++count}`;
    for (const each of ['', '/run', '/units', '/config']) mkdirSync(this.dir + each, { mode: 0o700 });
    for (const [name, text] of Object.entries({ 'basic.target': '[Unit]\nDescription=Basic\n', ...units })) this.unit(name, text);
    this.env = {
      PATH: process.env.PATH, HOME: this.dir, XDG_RUNTIME_DIR: this.run, XDG_CONFIG_HOME: `${this.dir}/config`,
      XDG_DATA_HOME: `${this.dir}/data`, DBUS_SESSION_BUS_ADDRESS: `unix:path=${this.run}/systemd/private`,
      SYSTEMD_UNIT_PATH: `${this.dir}/config/systemd/user:${this.dir}/units:${this.run}/systemd/user:${this.run}/systemd/transient`,
      SYSTEMD_LOG_LEVEL: 'warning',
    };
  }

  unit(name, text) {
    writeFileSync(`${this.dir}/units/${name}`, text);
  }

  // As `systemctl mask` does; a daemon-reload makes systemd read it.
  mask(name) {
    rmSync(`${this.dir}/units/${name}`);
    symlinkSync('/dev/null', `${this.dir}/units/${name}`);
  }

  async begin() {
    const log = openSync(`${this.dir}/log`, 'a');
    this.child = spawn('unshare', ['-m', 'sh', '-c', become, 'sh', this.cgroup, this.journal ? 'journal' : ''], { env: this.env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.exit = new Promise((resolve) => this.child.once('exit', resolve));
    await within(30, 'the systemd of the case answers', (async () => {
      while (!existsSync(`${this.run}/systemd/private`) || (await this.systemctl('is-active', 'basic.target')).text !== 'active') {
        if (this.child.exitCode !== null) throw new Error(`systemd ended: ${readFileSync(`${this.dir}/log`, 'utf8')}`);
        await sleep(10);
      }
    })());
  }

  // Which manager systemctl and `noforce service` are to ask.
  get scope() {
    return ['--user'];
  }

  // Where installed units lie.
  get installed() {
    return `${this.dir}/config/systemd/user`;
  }

  // The words before a command that is to run there.
  get entrance() {
    return ['nsenter', '-t', String(this.child.pid), '-m'];
  }

  // Among its mounts: outside of them systemctl finds no systemd booted, and changes files by itself.
  systemctl(...words) {
    return this.inside('systemctl', ...this.scope, '--no-pager', '--no-ask-password', ...words);
  }

  // Runs a program there, in its environment: { code, text }; never rejects.
  inside(...words) {
    const [first, ...rest] = [...this.entrance, ...words];
    return new Promise((resolve) => {
      execFile(first, rest, { env: this.env, encoding: 'utf8' },
        (error, stdout, stderr) => resolve({ code: error ? error.code : 0, text: (stdout + stderr).trim() }));
    });
  }

  get journald() {
    return Number(readFileSync(`${this.run}/journald.pid`, 'utf8'));
  }

  // The journal's entries that match, each { MESSAGE, PRIORITY, ... }.
  async entries(...matches) {
    const { text } = await this.inside('journalctl', '--directory=/run/log/journal', '--output=json', '--no-pager', ...matches);
    return text.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  async show(unit, property) {
    return (await this.systemctl('show', '--value', '-p', property, unit)).text;
  }

  get runtimeUnits() {
    return `${this.run}/systemd/user`;
  }

  dropIns() {
    const dir = this.runtimeUnits;
    return existsSync(dir) ? readdirSync(dir, { recursive: true }).map(String).filter((name) => name.endsWith('.conf')) : [];
  }

  // The drop-ins are gone, and systemd has read that, too.
  async untilNothingIsLeft(state, limit = 15) {
    await within(limit, 'no drop-in and no record is left', (async () => {
      const records = () => (existsSync(`${state}/spared`) ? readdirSync(`${state}/spared`) : []);
      while (this.dropIns().length > 0 || records().length > 0) await sleep(20);
    })());
  }

  // The manager is gone, by force; its services run on.
  async kill() {
    this.child.kill('SIGKILL');
    await this.exit;
    rmSync(`${this.run}/systemd/private`, { force: true });
  }

  // With all that it ran.
  async end() {
    if (this.child) await this.kill();
    for (const hierarchy of hierarchies()) {
      const root = `${hierarchy}/${this.cgroup}`;
      if (!existsSync(root)) continue;
      await within(20, `${root} is empty`, (async () => {
        for (;;) {
          const inner = readdirSync(root, { recursive: true, withFileTypes: true }).filter((e) => e.isDirectory());
          const groups = [root, ...inner.map((e) => `${e.parentPath ?? e.path}/${e.name}`)];
          let left = 0;
          // A group may go, and a process end, between two looks.
          for (const group of groups.reverse()) {
            try {
              for (const pid of readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
              rmdirSync(group);
            } catch {
              left += existsSync(group) ? 1 : 0;
            }
          }
          if (left === 0) return;
          await sleep(10);
        }
      })());
    }
  }
}

// Scenarios whose agent drives a systemd of the case's own, `agent.systemd`, which `begin(agent)` makes
// before the agent starts; `ready(agent)` is waited for before the body.
export const scenariosOnSystemd = (scenario, { begin, ready }) => (sentence, body, { adapt, skip, ...options } = {}) => scenario(
  sentence,
  async (agent) => {
    await ready(agent);
    await body(agent, agent.systemd);
  },
  { adapt, skip, through: (dir) => ['env', `XDG_RUNTIME_DIR=${dir}/systemd/run`], prepare: (agent) => begin(agent, options) },
);
