// A system manager of a case's own: systemd as the first process among processes, mounts and control groups
// of its own, where root's agent finds it at /run/systemd/private; with a bus and polkit where a case wants them.
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Systemd, joinGroup } from './systemd.mjs';
import { within } from './time.mjs';

const among = fileURLToPath(new URL('within_pids.py', import.meta.url));

// What the bus, polkit and ordinary units refer to.
const targets = Object.fromEntries(['basic', 'sysinit', 'shutdown', 'sockets'].map((name) => [`${name}.target`, `[Unit]\nDescription=${name}\n`]));
const dbus = `[Unit]
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation
TimeoutStopSec=infinity
`;
const socket = `[Socket]
ListenStream=/run/dbus/system_bus_socket
`;

// $1: the control group. $2: the case's folder of systemd. The hierarchies that systemd wants are mounted
// anew: what is seen of them begins at the group.
const become = `${joinGroup}
exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --mount-proc sh -c '
set -e
mount --make-rprivate /
mount --bind "$1/run" /run
mkdir -p /run/systemd/system
if [ ! -d /etc/polkit-1/rules.d ]; then mkdir -p /etc/polkit-1/rules.d; fi
mount --bind "$1/rules" /etc/polkit-1/rules.d
mount --bind "$1/installed" /etc/systemd/system
mount --bind "$1/passwd" /etc/passwd
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
fi
umask 022
exec /lib/systemd/systemd --system --unit=basic.target --show-status=0' sh "$2"`;

export class SystemManager extends Systemd {
  // `bus`: with the system's bus and polkit, whose rules are those of `allow()`. `users`: besides the machine's,
  // { noforce: 61235 }.
  static async start(dir, units, { bus = false, users = {} } = {}) {
    const systemd = new SystemManager(dir, bus ? { ...units, 'dbus.socket': socket, 'dbus.service': dbus } : units);
    const more = Object.entries(users).map(([name, id]) => `${name}:x:${id}:${id}::/:/usr/sbin/nologin\n`);
    writeFileSync(`${systemd.dir}/passwd`, readFileSync('/etc/passwd', 'utf8') + more.join(''), { mode: 0o644 });
    if (bus) copyFileSync('/lib/systemd/system/polkit.service', `${systemd.dir}/units/polkit.service`);
    try {
      await systemd.begin();
      if (bus) await systemd.must('start', 'dbus.service', 'polkit.service');
    } catch (error) {
      await systemd.end();
      throw error;
    }
    return systemd;
  }

  constructor(dir, units) {
    super(dir, { ...targets, ...units });
    for (const each of ['rules', 'installed']) mkdirSync(`${this.dir}/${each}`, { mode: 0o755 });
    chmodSync(this.run, 0o755); // it becomes /run
    this.env = {
      PATH: process.env.PATH, container: 'noforce', SYSTEMD_LOG_TARGET: 'null',
      SYSTEMD_UNIT_PATH: `/etc/systemd/system:${this.dir}/units:/run/systemd/system:/run/systemd/transient`,
    };
  }

  async begin() {
    const log = openSync(`${this.dir}/log`, 'a');
    this.child = spawn('sh', ['-c', become, 'sh', this.cgroup, this.dir], { env: this.env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.exit = new Promise((resolve) => this.child.once('exit', resolve));
    await within(30, 'the system manager of the case answers', (async () => {
      // Its first process begins with the socket, and not before.
      while (!existsSync(`${this.run}/systemd/private`) || (await this.systemctl('is-active', 'basic.target')).text !== 'active') {
        if (this.child.exitCode !== null) throw new Error(`systemd ended: ${readFileSync(`${this.dir}/log`, 'utf8')}`);
        await sleep(10);
      }
    })());
  }

  get scope() {
    return [];
  }

  get installed() {
    return `${this.dir}/installed`;
  }

  get entrance() {
    const first = readFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`, 'utf8').trim();
    return ['python3', among, first];
  }

  async must(...words) {
    const { code, text } = await this.systemctl(...words);
    if (code !== 0) throw new Error(`systemctl ${words.join(' ')}: ${text}`);
  }

  // While the manager can be asked directly, too, as it is to be asked to restart the bus.
  async withPrivate(does) {
    const [aside, there] = [`${this.run}/systemd/aside`, `${this.run}/systemd/private`];
    renameSync(aside, there);
    await does();
    renameSync(there, aside);
  }

  // polkit takes up changed rules by itself.
  allow(rule) {
    writeFileSync(`${this.dir}/rules.new`, rule, { mode: 0o644 });
    renameSync(`${this.dir}/rules.new`, `${this.dir}/rules/50-noforce.rules`);
  }

  get runtimeUnits() {
    return `${this.run}/systemd/system`;
  }
}
