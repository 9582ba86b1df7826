// The agent as a unit: `noforce service install`, and a real systemd that runs what it wrote.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Systemd, UnitAgent, isAlive, processesOf, program, scenarios, scenariosOnSystemd, seconds, sleep, within } from '../harness/index.mjs';

const web = '[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=2\nExecStop=/bin/sh -c "kill $MAINPID; sleep 3"\n';

// Every unit conflicts with it, unless it says otherwise: what a shutdown, a reboot and a logout begin with.
const shutdown = '[Unit]\nDefaultDependencies=no\nDescription=Shutdown\n';

const begin = async (agent, { journal }) => {
  chmodSync(agent.dir, 0o711);
  agent.systemd = await Systemd.start(agent.dir, { 'web.service': web, 'shutdown.target': shutdown }, { journal });
  await agent.systemd.systemctl('start', 'web.service');
};

const scenario = scenariosOnSystemd(scenarios(import.meta.url, { kind: UnitAgent }), {
  begin, ready: (agent) => agent.untilState('web.service', 'running'),
});
const supervising = scenariosOnSystemd(scenarios(import.meta.url, { settings: 'supervisor.toml', kind: UnitAgent }), {
  begin, ready: (agent) => agent.untilRunning('base', 'web'),
});

const pids = async (agent) => [(await agent.service('base')).pid, (await agent.service('web')).pid];
const keeperOf = (agent) => processesOf(agent.dir).find((p) => p.command.includes(' keeper '))?.pid;

scenario('Installed and started, it drives the other units from within its sandbox, and not its own', async (agent, systemd) => {
  // What the unit for the system's manager has besides. The one of this test is root's and may do it.
  await agent.edit('[Service]\nCapabilityBoundingSet=\nPrivateDevices=yes\nProtectClock=yes\nProtectKernelLogs=yes\nProtectKernelModules=yes\n');
  await systemd.systemctl('restart', 'noforce.service');
  await agent.serve();
  assert.equal(await agent.show('Type'), 'notify');
  assert.equal(await agent.show('ProtectSystem'), 'strict');
  const status = readFileSync(`/proc/${await agent.mainPid()}/status`, 'utf8');
  assert.match(status, /^Seccomp:\s2$/m);
  assert.match(status, /^NoNewPrivs:\s1$/m);
  assert.match(status, /^CapEff:\s0+$/m);

  // web takes longer than systemd's patience: its drop-in and the record of it are written.
  const job = await agent.done('restart', 'web');
  assert.deepEqual([job.result, job.forced], ['succeeded', false]);
  await systemd.untilNothingIsLeft(agent.state);

  const refused = await agent.act('restart', 'noforce');
  assert.equal(refused.status, 409);
  assert.match(refused.body.detail, /this agent runs in noforce\.service/);
});

scenario('systemctl reload takes up changed settings, and says when they have mistakes', async (agent, systemd) => {
  const text = readFileSync(agent.settings, 'utf8');
  const put = (changed) => {
    writeFileSync(`${agent.settings}.new`, changed, { mode: 0o600 });
    renameSync(`${agent.settings}.new`, agent.settings);
  };
  put(`${text}\n[[group]]\nname = "all"\nservices = ["web"]\n`);
  assert.equal((await systemd.systemctl('reload', 'noforce.service')).code, 0);
  assert.deepEqual((await agent.api.get('/v1/groups')).body.items.map((group) => group.name), ['all']);

  put(`${text}\n[nonsense]\n`);
  assert.notEqual((await systemd.systemctl('reload', 'noforce.service')).code, 0);
  assert.equal(await agent.show('ActiveState'), 'active');
  assert.equal((await agent.api.get('/v1/groups')).body.items.length, 1);
});

scenario('A hook that the unit knew nothing of is warned of until `service install` has written the unit anew', async (agent, systemd) => {
  const warnings = async () => (await agent.api.get('/v1/agent')).body.warnings.filter((one) => one.includes('all that the agent\'s unit forbids'));
  assert.deepEqual(await warnings(), []);
  writeFileSync(`${agent.settings}.new`, `${readFileSync(agent.settings, 'utf8')}\n[policy."web"]\nafter_start = [["/bin/true"]]\n`, { mode: 0o644 });
  renameSync(`${agent.settings}.new`, agent.settings);
  assert.equal((await systemd.systemctl('reload', 'noforce.service')).code, 0);
  assert.equal((await warnings()).length, 1);

  assert.equal((await agent.install()).code, 0);
  assert.equal((await systemd.systemctl('restart', 'noforce.service')).code, 0);
  await agent.serve();
  assert.deepEqual(await warnings(), []);
});

supervising('Stopped, it leaves its keeper and services; started, it takes them over', async (agent, systemd) => {
  const before = await pids(agent);
  const keeper = keeperOf(agent);
  assert.ok(before.every(isAlive) && isAlive(keeper));

  assert.equal((await systemd.systemctl('stop', 'noforce.service')).code, 0);

  assert.equal(await agent.show('ActiveState'), 'inactive');
  assert.equal(await agent.show('Result'), 'success');
  assert.ok(before.every(isAlive), 'the services run on');
  assert.ok(isAlive(keeper), 'and so does their keeper');

  await agent.serve();
  assert.deepEqual(await pids(agent), before);
  assert.equal(keeperOf(agent), keeper);
});

// Longer than systemd waits for the agent where it is not asked for more.
supervising('When the machine goes down it stops its services first, in order, and systemd waits for them', async (agent, systemd) => {
  await agent.edit('[Service]\nTimeoutStopSec=2s\n');
  agent.control('web', { stop: 'progress 4000 250' });
  const mark = agent.life.mark();

  assert.equal((await systemd.systemctl('start', 'shutdown.target')).code, 0);

  assert.deepEqual(agent.life.sentences(mark), ['web stop', 'web end', 'base stop', 'base end']);
  assert.deepEqual([await agent.show('ActiveState'), await agent.show('Result')], ['inactive', 'success']);
  assert.equal(keeperOf(agent), undefined);
});

// Until the agent has nothing left to try but to wait: that many stops of its own came to nothing.
const untilTimedOut = (agent, times) => within(60, `${times} stops have timed out`, (async () => {
  while ((await agent.api.get('/v1/jobs?result=timed_out')).body.items.length < times) await sleep(50);
})());
const impatient = { adapt: (text) => `${text}\n[jobs]\nno_progress_s = 1\n` };

supervising('When the machine goes down it rather waits for one that hangs than leave it to be ended by force', async (agent, systemd) => {
  await agent.edit('[Service]\nTimeoutStopSec=2s\n');
  agent.control('web', { stop: 'hang' });
  const mark = agent.life.mark();
  const down = systemd.systemctl('start', 'shutdown.target');
  await untilTimedOut(agent, 4);
  assert.equal(await agent.show('ActiveState'), 'deactivating');

  agent.control('web', { stop: 'now' });

  assert.equal((await down).code, 0);
  assert.deepEqual(agent.life.sentences(mark).slice(-3), ['web end', 'base stop', 'base end']);
  assert.equal(await agent.show('Result'), 'success');
}, impatient);

supervising('Told again, it leaves what hangs, with its keeper, though the machine goes down', async (agent, systemd) => {
  agent.control('web', { stop: 'hang' });
  const before = await pids(agent);
  const mark = agent.life.mark();
  const down = systemd.systemctl('start', 'shutdown.target');
  await untilTimedOut(agent, 1);

  await systemd.systemctl('kill', '--kill-whom=main', 'noforce.service');

  assert.equal((await down).code, 0);
  assert.ok(before.every(isAlive) && isAlive(keeperOf(agent)));
  assert.deepEqual(agent.life.sentences(mark), ['web stop'], 'nobody else was told anything');
}, impatient);

supervising('When its keeper is killed as the machine goes down, the services are stopped all the same', async (agent, systemd) => {
  const mark = agent.life.mark();
  process.kill(keeperOf(agent), 'SIGKILL');

  assert.equal((await systemd.systemctl('start', 'shutdown.target')).code, 0);

  assert.deepEqual(agent.life.sentences(mark), ['web stop', 'web end', 'base stop', 'base end']);
});

supervising('What the keeper runs is forbidden nothing by the unit', async (agent) => {
  for (const pid of await pids(agent)) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status, /^Seccomp:\s0$/m);
    assert.match(status, /^NoNewPrivs:\s0$/m);
  }
});

supervising('The watchdog hears of it; when it hangs, systemd ends it alone and starts it anew', async (agent) => {
  await agent.edit('[Service]\nWatchdogSec=3s\nRestartSec=100ms\n');
  await agent.systemd.systemctl('restart', 'noforce.service');
  await agent.serve();
  const before = await pids(agent);
  const heard = () => agent.show('WatchdogTimestampMonotonic').then(Number);
  let last = await heard();
  for (let times = 0; times < 3; ++times) {
    last = Number(await agent.untilShows('WatchdogTimestampMonotonic', (at) => Number(at) > last, 'the watchdog hears of it again'));
  }
  assert.equal(await agent.show('NRestarts'), '0');

  const hung = await agent.mainPid();
  process.kill(hung, 'SIGSTOP');

  await agent.untilShows('NRestarts', (n) => n === '1', 'it is started anew');
  await agent.untilShows('SubState', (state) => state === 'running', 'it runs');
  await agent.serve();
  assert.notEqual(await agent.mainPid(), hung);
  assert.deepEqual(await pids(agent), before, 'nobody touched the services');
});

const toStandardError = { adapt: (text) => text.replace(/\[log\][^[]*/, ''), journal: true };

// The entries that match, once one of them is the last.
async function untilJournal(systemd, match, isLast, what) {
  const limit = Date.now() + seconds(30);
  for (;;) {
    const entries = await systemd.entries(match);
    if (entries.some(isLast)) return entries;
    if (Date.now() > limit) throw new Error(`waited in vain: ${what}`);
    await sleep(50);
  }
}

scenario('The journal gets each line with its fields, so that it can be asked for a job', async (agent, systemd) => {
  const { id } = await agent.done('restart', 'web');

  const said = await untilJournal(systemd, `NOFORCE_JOB=${id}`, (entry) => entry.NOFORCE_EVENT.startsWith('ends'), 'the end of the job');

  assert.deepEqual(said.map((entry) => entry.MESSAGE), [
    `jobs: accepted from token:admin job=${id}`, `executor: begins job=${id}`, `executor: ends succeeded job=${id}`,
  ]);
  for (const entry of said) {
    assert.deepEqual([entry.SYSLOG_IDENTIFIER, entry.PRIORITY, entry._TRANSPORT], ['noforce', '6', 'journal']);
    assert.equal(entry._PID, String(await agent.mainPid()));
  }
}, toStandardError);

// A socket for each: what is full is the queue of journald's.
const fill = `
import socket
try:
    while True:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        s.sendto(b"MESSAGE=x\\n", "/run/systemd/journal/socket")
except BlockingIOError:
    pass
`;

scenario('A journald that is stuck holds nobody up, and hears later how many lines it missed', async (agent, systemd) => {
  process.kill(systemd.journald, 'SIGSTOP');
  assert.equal((await systemd.inside('python3', '-c', fill)).text, '');
  const { id, result } = await agent.done('restart', 'web');
  assert.equal(result, 'succeeded');
  process.kill(systemd.journald, 'SIGCONT');
  await untilJournal(systemd, 'MESSAGE=x', () => true, 'journald goes on');

  await agent.done('restart', 'web');

  const [lost] = await untilJournal(systemd, 'PRIORITY=4', (entry) => entry.NOFORCE_LOST, 'it hears of it');
  assert.ok(Number(lost.NOFORCE_LOST) >= 3, lost.MESSAGE);
  assert.deepEqual(await systemd.entries(`NOFORCE_JOB=${id}`), []);
}, toStandardError);

// The part that listens is another process then, and it is the one that may hang.
const asAnotherUser = (text) => text
  .replace('state_dir', 'user = "61236"\nstate_dir').replace('${DIR}/agent.log', '${STATE}/agent.log');

supervising('With a face of another user the watchdog looks at the face', async (agent) => {
  const face = () => Number(readFileSync(`/proc/${agent.opener}/task/${agent.opener}/children`, 'utf8').trim());
  await agent.edit('[Service]\nWatchdogSec=3s\nRestartSec=100ms\n');
  await agent.systemd.systemctl('restart', 'noforce.service');
  await agent.serve();
  const before = await pids(agent);
  const first = Number(await agent.show('WatchdogTimestampMonotonic'));
  await agent.untilShows('WatchdogTimestampMonotonic', (at) => Number(at) > first, 'the watchdog hears of it');

  agent.opener = await agent.mainPid();
  const hung = face();
  assert.match(readFileSync(`/proc/${hung}/status`, 'utf8'), /^Uid:\s61236\s/m);
  process.kill(hung, 'SIGSTOP');
  await agent.untilShows('SubState', (state) => state === 'stop-watchdog', 'the watchdog acts');
  process.kill(hung, 'SIGCONT'); // else the signal that ends it waits

  await agent.untilShows('NRestarts', (n) => n === '1', 'it is started anew');
  await agent.untilShows('SubState', (state) => state === 'running', 'it runs');
  await agent.serve();
  assert.ok(!isAlive(hung));
  assert.deepEqual(await pids(agent), before, 'nobody touched the services');
}, { adapt: asAnotherUser });

scenario('Taken away only once it neither runs nor is enabled', async (agent, systemd) => {
  assert.equal((await systemd.systemctl('enable', 'noforce.service')).code, 0);
  const uninstall = () => agent.noforceService('uninstall');
  const first = /systemctl --user disable --now noforce first/;
  let said = await uninstall();
  assert.deepEqual([said.code, first.test(said.text)], [4, true], said.text);

  await systemd.systemctl('disable', 'noforce.service');
  said = await uninstall();
  assert.equal(said.code, 4);
  assert.match(said.text, /noforce\.service runs \(active\): systemctl --user disable --now noforce first/);
  assert.ok(existsSync(agent.unitFile));
  assert.equal((await agent.service('web')).state, 'running');

  await systemd.systemctl('stop', 'noforce.service');
  said = await uninstall();
  assert.equal(said.code, 0, said.text);
  assert.ok(!existsSync(agent.unitFile));
  assert.equal(await agent.show('LoadState'), 'not-found', 'systemd has read that, too');
  assert.equal((await uninstall()).code, 4);
});

scenario('Never put in the place of a unit that is not ours', async (agent, systemd) => {
  const again = await agent.install();
  assert.equal(again.code, 0, 'its own it writes anew');

  const theirs = `${readFileSync(agent.unitFile, 'utf8')}# mine\n`;
  writeFileSync(agent.unitFile, theirs);
  for (const said of [await agent.install(), await agent.noforceService('uninstall')]) {
    assert.equal(said.code, 4);
    assert.match(said.text, /is not as `noforce service install` wrote it, and stays as it is/);
  }
  assert.equal(readFileSync(agent.unitFile, 'utf8'), theirs);

  const other = await agent.noforceService('install', '--name', 'web', '--config', agent.settings);
  assert.equal(other.code, 4);
  assert.match(other.text, /there is a unit web\.service already, in .*\/units\/web\.service/);
});

scenario('Not written for settings with mistakes, nor for a program that others could replace', async (agent, systemd) => {
  writeFileSync(`${agent.dir}/bad.toml`, '[server]\nlistne = "x"\n');
  const mistaken = await agent.noforceService('install', '--name', 'other', '--config', `${agent.dir}/bad.toml`);
  assert.equal(mistaken.code, 1);
  assert.match(mistaken.text, /bad\.toml:2:1: .*listne/);

  const elsewhere = await systemd.inside(program, 'service', 'install', '--name', 'other', '--config', agent.settings);
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.text, /manager = "user" in \[scm\] needs a unit of the same user's manager/);

  const open = `${agent.dir}/open`;
  await systemd.inside('mkdir', '-m', '777', open);
  await systemd.inside('cp', agent.settings, `${open}/settings.toml`);
  const replaceable = await agent.noforceService('install', '--name', 'other', '--config', `${open}/settings.toml`);
  assert.equal(replaceable.code, 1);
  assert.match(replaceable.text, /open .*; systemd would run what they put there/);
  assert.ok(!existsSync(agent.unitFile.replace('noforce', 'other')));
});
