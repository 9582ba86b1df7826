// The agent as a user of its own and without any right, by a rule of polkit's: config/polkit/noforce.rules,
// before a real polkitd on a real bus. The manager is root's, as the system's is.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Systemd, UnitAgent, scenarios, scenariosOnSystemd, within } from '../harness/index.mjs';

const polkitd = '/usr/lib/polkit-1/polkitd';
const missing = [polkitd, '/usr/bin/dbus-daemon'].filter((file) => !existsSync(file));
const skip = missing.length > 0 && `there is no ${missing.join(' and no ')}`;

const bus = '/run/dbus/system_bus_socket';
const user = 61235; // a number that no user of this machine has

const sleeper = '[Service]\nExecStart=/bin/sleep infinity\n';
const units = (dir) => ({
  // systemd looks for a bus once both of these run; what the socket hears is nothing to anybody.
  'dbus.socket': `[Socket]\nListenStream=${dir}/bus\n`,
  'dbus.service': '[Unit]\nRequires=dbus.socket\n[Service]\nExecStart=/usr/bin/dbus-daemon --system --nofork --nopidfile\n',
  // Active once its name is on the bus: then systemd is there, too.
  'polkit.service': `[Service]\nType=dbus\nBusName=org.freedesktop.PolicyKit1\nExecStart=${polkitd} --no-debug\n`,
  'nginx.service': `${sleeper}TimeoutStopSec=infinity\n`,
  'postgresql.service': `${sleeper}TimeoutStopSec=2\n`,
  'other.service': `${sleeper}TimeoutStopSec=infinity\n`,
});

// The rule, and a name for the user, among the mounts of the case only. $1: its folder.
const asAdministrator = `set -e
cp /etc/passwd "$1/passwd"; echo 'noforce:x:${user}:${user}::/:/usr/sbin/nologin' >> "$1/passwd"; mount --bind "$1/passwd" /etc/passwd
mkdir -p /etc/polkit-1/rules.d /run/dbus; mount -t tmpfs -o mode=755 tmpfs /etc/polkit-1/rules.d
install -m 644 "$1/noforce.rules" /etc/polkit-1/rules.d/
`;

class AgentOfItsOwnUser extends UnitAgent {
  async launch() {
    const { systemd } = this;
    await systemd.inside('chown', '-R', `${user}:${user}`, this.state); // as StateDirectory= does it
    const { code, text } = await this.install();
    assert.equal(code, 0, text);
    await this.edit(`[Service]\nUser=${user}\n`);
    return super.launch();
  }
}

const scenario = scenariosOnSystemd(scenarios(import.meta.url, { settings: 'polkit.toml', kind: AgentOfItsOwnUser }), {
  begin: async (agent) => {
    chmodSync(agent.dir, 0o711);
    const systemd = (agent.systemd = await Systemd.start(agent.dir, units(agent.dir), { journal: true, bus: `unix:path=${bus}` }));
    writeFileSync(`${agent.dir}/noforce.rules`, readFileSync(new URL('../../../config/polkit/noforce.rules', import.meta.url)));
    const all = async (...words) => {
      const { code, text } = await systemd.inside(...words);
      assert.equal(code, 0, text);
    };
    await all('sh', '-c', asAdministrator, 'sh', agent.dir);
    await systemd.systemctl('start', 'dbus.socket');
    await all('python3', '-c', `import socket; socket.socket(socket.AF_UNIX).connect("${agent.dir}/bus")`);
    await within(20, 'there is a bus', all('sh', '-c', `while ! [ -e ${bus} ]; do sleep 0.02; done`));
    await all('systemctl', '--user', 'start', 'polkit.service', 'nginx.service', 'postgresql.service', 'other.service');
  },
  ready: (agent) => agent.untilState('nginx.service', 'running'),
});

scenario('What the rule names it may restart, though it is nobody', async (agent) => {
  const status = readFileSync(`/proc/${await agent.mainPid()}/status`, 'utf8');
  assert.match(status, new RegExp(`^Uid:\\s${user}\\s${user}\\s${user}\\s${user}$`, 'm'));
  assert.match(status, /^CapEff:\s0+$/m);

  for (const action of ['restart', 'stop', 'start']) {
    const job = await agent.done(action, 'nginx');
    assert.equal(job.result, 'succeeded', JSON.stringify(job.error));
  }
  assert.equal((await agent.service('nginx')).state, 'running');
}, { skip });

scenario('What it does not name it may see and not touch', async (agent) => {
  const { pid } = await agent.service('other');
  const job = await agent.done('stop', 'other');
  assert.deepEqual([job.result, job.error.code], ['failed', 'access_denied']);
  assert.match(job.error.detail, /a polkit rule for its user/);
  assert.equal((await agent.service('other')).pid, pid);
}, { skip });

scenario('What systemd could kill it does not stop: to disarm that is for root', async (agent) => {
  const { pid } = await agent.service('postgresql');
  const job = await agent.done('restart', 'postgresql');
  assert.equal(job.result, 'failed');
  assert.match(job.error.detail, /would end postgresql\.service by force .* Set TimeoutStopSec=infinity/);
  assert.equal((await agent.service('postgresql')).pid, pid);
}, { skip });
