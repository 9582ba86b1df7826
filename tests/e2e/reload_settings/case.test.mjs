// What a reload takes up, what it leaves alone, and whom it tells.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import tls from 'node:tls';
import { Authority, scenarios, within } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const template = readFileSync(new URL('settings.toml', import.meta.url), 'utf8');
const local = `local:${userInfo().username}`;
const third = '[[service]]\nname = "third"\ncommand = [${worker:third}]\ntype = "notify"\n';
const without = (name) => template.split('\n\n').filter((part) => !part.includes(`name    = "${name}"`)).join('\n\n')
  .replace(`"${name}", `, '').replace(`, "${name}"`, '');

// The sentence with which a reload is refused.
async function refused(agent) {
  const error = await agent.reload().then(() => null, (problem) => problem);
  assert.ok(error, 'the reload was to be refused');
  return error.stderr;
}

// The rows of the audit trail about reloads, the newest first.
async function rows(agent) {
  return (await agent.api.get('/v1/audit?event=reload')).body.items;
}

async function warnings(agent) {
  return (await agent.api.get('/v1/agent')).body.warnings;
}

async function untilLogged(agent, text) {
  await within(20, `the log says ${text}`, (async () => {
    while (!existsSync(`${agent.dir}/log`) || !readFileSync(`${agent.dir}/log`, 'utf8').includes(text)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })());
}

async function untilGone(agent, name) {
  await within(20, `${name} is no longer listed`, (async () => {
    while ((await agent.api.get(`/v1/services/${name}`)).status !== 404) await new Promise((resolve) => setTimeout(resolve, 20));
  })());
}

// All that a refused reload may not have touched.
async function everything(agent) {
  const services = (await agent.api.get('/v1/services')).body.items;
  return {
    services: services.map(({ name, pid, state, warnings: sentences }) => ({ name, pid, state, sentences })),
    groups: (await agent.api.get('/v1/groups')).body.items,
    defaults: (await agent.api.get('/v1/agent')).body.defaults,
  };
}

scenario('A reload takes up services, groups and defaults, starts what is new, and its row says who asked', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  const { pid } = await agent.service('web');
  await agent.rewrite(`${template.replace('["web", "other"]', '["web", "third"]')}${third}\n[jobs]\ndeadline_s = 77\n`);

  const found = await agent.reload();

  assert.match(found, /1 new \(third\), 0 changed, 0 taken out/);
  await agent.untilState('third', 'running');
  assert.equal((await agent.service('web')).pid, pid);
  const group = (await agent.api.get('/v1/groups/pair')).body;
  assert.deepEqual([...group.services].sort(), ['third', 'web']);
  assert.equal((await agent.api.get('/v1/agent')).body.defaults.deadline_s, 77);
  const [row] = await rows(agent);
  assert.deepEqual([row.principal, row.outcome, row.address], [local, 'ok', 'local']);
  assert.match(row.detail, /third/);

  agent.child.kill('SIGHUP');
  await untilLogged(agent, 'by=signal');
  const [byTheSignal] = await rows(agent);
  assert.deepEqual([byTheSignal.principal, byTheSignal.outcome], ['signal', 'ok']);
});

scenario('Settings with a mistake change nothing, and the caller, the log, the trail and the agent itself say why', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  const before = await everything(agent);
  const narrow = await agent.token('narrow', '--role', 'viewer', '--service', 'other');
  const mistakes = [
    ['[server', /not TOML/],
    [template.replace('["web", "other"]', '["web", "gone"]'), /group's member 'gone' is no \[\[service\]\]/],
    [template.replace('name    = "base"', 'name    = "base"\ndepends_on = ["web"]'), /base.*web|web.*base/],
    [template.replace('depends_on = ["base"]', 'depends_on = ["nobody"]'), /nobody/],
    [`${template}\n[limits]\nconnections = 1\n`, /'connections' goes from/],
    [template.replace('"${STATE}"', '"${DIR}/elsewhere"'), null],
    [template.replace('file = "${DIR}/log"', 'file = "${STATE}"'), /cannot open the log/],
  ];
  for (const [broken, why] of mistakes) {
    if (broken === '[server') writeFileSync(agent.settings, `${broken}\nstate_dir = "${agent.state}"\n`, { mode: 0o600 });
    else await agent.rewrite(broken);
    if (why === null) agent.child.kill('SIGHUP'); // by this file `noforce reload` would look for another agent
    else assert.match(await refused(agent), why);
    const said = why ?? /'state_dir' cannot change/;
    await within(20, 'the agent warns', (async () => {
      while (!(await warnings(agent)).some((sentence) => said.test(sentence))) await new Promise((r) => setTimeout(r, 20));
    })());
    const [row] = await rows(agent);
    assert.equal(row.principal, why === null ? 'signal' : local);
    assert.notEqual(row.outcome, 'ok');
    assert.match(row.detail, said);
    assert.match(readFileSync(`${agent.dir}/log`, 'utf8').split('\n').filter((l) => l.includes('not reloaded')).at(-1), said);
    assert.deepEqual(await everything(agent), before);
  }
  // It was told when, and what counts; who may see one service only is not told of the others.
  await agent.rewrite(template.replace('["web", "other"]', '["web", "gone"]'));
  await refused(agent);
  assert.match((await warnings(agent))[0], /^the settings on disk were not taken up at \d{4}-.*Z, the old ones count: .*settings.toml:\d+:\d+: /);
  const [little] = (await agent.as(narrow).get('/v1/agent')).body.warnings;
  assert.match(little, /not taken up at .*log says why/);
  assert.doesNotMatch(little, /gone/);

  await agent.rewrite(template);
  await agent.reload();
  assert.deepEqual(await warnings(agent), []);
});

scenario('A file that cannot be read, or that is gone, changes nothing', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  const before = await everything(agent);
  renameSync(agent.settings, `${agent.settings}.away`);
  agent.child.kill('SIGHUP');
  await untilLogged(agent, 'cannot be read');
  assert.deepEqual(await everything(agent), before);
  renameSync(`${agent.settings}.away`, agent.settings);
  chmodSync(agent.settings, 0o666);
  agent.child.kill('SIGHUP');
  await untilLogged(agent, 'chmod go-w');
  assert.deepEqual(await everything(agent), before);
  chmodSync(agent.settings, 0o600);
});

scenario('The log is opened anew by its name, also when the settings are refused, and may go elsewhere', async (agent) => {
  const log = `${agent.dir}/log`;
  await agent.untilRunning('base');
  renameSync(log, `${log}.1`);
  await agent.reload();
  await untilLogged(agent, 'msg=reloaded');
  const old = readFileSync(`${log}.1`, 'utf8');
  assert.ok(old.includes('msg=ready') && !old.includes('msg=reloaded'), old);

  renameSync(log, `${log}.2`);
  await agent.rewrite(`${template}[nonsense]\n`);
  await refused(agent);
  await untilLogged(agent, 'not reloaded');

  await agent.rewrite(template.replace('file = "${DIR}/log"', 'file = "${DIR}/log.new"\nlevel = "debug"'));
  await agent.reload();
  assert.match(readFileSync(`${log}.new`, 'utf8'), /msg=reloaded/);
});

scenario('A certificate and a key that do not belong together change nothing; a pair that does is taken up', async (agent) => {
  const own = `[tls]\ncertificate = "own.pem"\nkey = "own.key"\n`;
  copyFileSync(`${agent.state}/tls/server.pem`, `${agent.dir}/own.pem`);
  copyFileSync(`${agent.state}/tls/ca.key`, `${agent.dir}/own.key`);
  await agent.rewrite(`${template}${own}`);
  assert.match(await refused(agent), /own\.key is not that of the certificate/);
  writeFileSync(`${agent.dir}/own.pem`, 'no PEM');
  assert.match(await refused(agent), /own\.pem cannot be used/);
  renameSync(`${agent.dir}/own.pem`, `${agent.dir}/away.pem`);
  assert.match(await refused(agent), /no .*own\.pem/);
  assert.equal((await agent.as(agent.api.token).get('/healthz')).status, 200); // a new connection, the old certificate
  copyFileSync(`${agent.state}/tls/server.pem`, `${agent.dir}/own.pem`);
  copyFileSync(`${agent.state}/tls/server.key`, `${agent.dir}/own.key`);
  await agent.reload();
  assert.equal((await agent.as(agent.api.token).get('/healthz')).status, 200);
});

// Of the certificate that a new connection is shown.
const served = (agent) => new Promise((resolve, reject) => {
  const [host, port] = agent.address.split(':');
  const socket = tls.connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  });
  socket.on('error', reject);
});

scenario('A good certificate is not taken up where another part of the settings cannot be', async (agent) => {
  const next = new Authority(`${agent.dir}/next`).issue('localhost', { usage: 'serverAuth' });
  writeFileSync(`${agent.dir}/own.pem`, next.cert);
  writeFileSync(`${agent.dir}/own.key`, next.key, { mode: 0o600 });
  const own = `${template}[tls]\ncertificate = "own.pem"\nkey = "own.key"\n`;
  const before = await served(agent);
  await agent.rewrite(own.replace('${DIR}/log', '${DIR}/own.pem/log'));
  assert.match(await refused(agent), /cannot open the log/);
  assert.equal(await served(agent), before);

  await agent.rewrite(own);
  await agent.reload();
  assert.notEqual(await served(agent), before);
});

scenario('A service that is taken out runs on with a warning, can be stopped but not started, and is gone then', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  const { pid } = await agent.service('other');
  await agent.rewrite(without('other'));
  assert.match(await agent.reload(), /1 taken out \(other\)/);
  const listed = await agent.untilService('other', (s) => s.warnings.some((w) => w.includes('taken out of the settings')));
  assert.deepEqual([listed.state, listed.pid], ['running', pid]);

  const restart = await agent.act('restart', 'other');
  assert.equal(restart.status, 409, restart.text);
  assert.match(restart.body.detail, /other was taken out of the settings: it can be stopped, and could not be started again/);
  assert.equal((await agent.done('stop', 'other')).result, 'succeeded');
  await untilGone(agent, 'other');
  const start = await agent.act('start', 'other');
  assert.equal(start.status, 404, start.text);
});

scenario('A service that a job has stopped is started again by that job, though it was taken out meanwhile', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  agent.control('base', { stop: 'hang' });
  const { id } = await agent.accepted('restart', 'base', { dependents: 'include' });
  await agent.untilState('web', 'stopped'); // web is down, base hangs
  await agent.rewrite(without('web'));
  await agent.reload();
  const held = await agent.untilService('web', (s) => s.warnings.some((w) => w.includes('the job that holds it')));
  assert.equal(held.state, 'stopped');
  // No other job may start it, and the agent's own end in between changes nothing.
  assert.equal((await agent.act('restart', 'web')).status, 409);
  await agent.kill();
  await agent.serve();
  await agent.untilService('web', (s) => s.warnings.some((w) => w.includes('the job that holds it')));

  agent.control('base', { stop: 'now' });

  const job = await agent.waitJob(id);
  assert.equal(job.result, 'succeeded', JSON.stringify(job.error));
  const web = await agent.untilService('web', (s) => s.warnings.some((w) => w.includes('listed until it stops')));
  assert.equal(web.state, 'running');
  await agent.done('stop', 'web');
  await untilGone(agent, 'web');
});

scenario('A service that runs while its settings change says that they count from its next start on', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  const { pid } = await agent.service('other');
  await agent.rewrite(template.replace('name    = "other"', 'name    = "other"\nenvironment = { MARK = "1" }'));
  assert.match(await agent.reload(), /1 changed \(other\)/);
  const changed = await agent.untilService('other', (s) => s.warnings.some((w) => w.includes('count from its next start on')));
  assert.deepEqual([changed.state, changed.pid], ['running', pid]);
  await agent.done('restart', 'other');
  assert.deepEqual((await agent.service('other')).warnings, []);
});

scenario('A service that is renamed runs on under its old name until it stops, and starts under the new one', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  await agent.rewrite(template.replaceAll('"other"', '"another"').replace('${worker:other}', '${worker:another}'));
  assert.match(await agent.reload(), /1 new \(another\), 0 changed, 1 taken out \(other\)/);
  await agent.untilState('another', 'running');
  assert.equal((await agent.service('other')).state, 'running');
  await agent.done('stop', 'other');
  await untilGone(agent, 'other');
});

scenario('Reloads that come at once are done one after the other, and each has its row', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  await agent.rewrite(`${template}${third}`);
  const before = (await rows(agent)).length;
  const said = await Promise.all(Array.from({ length: 5 }, () => agent.reload()));
  assert.equal(said.filter((found) => found.includes('1 new (third)')).length, 1);
  assert.equal((await rows(agent)).length - before, 5);
});

scenario('SIGHUP while the agent starts or ends does no harm, and what it asked for is done', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  await agent.kill();
  const log = `${agent.dir}/log`;
  writeFileSync(log, '');
  agent.control('base', { stop: 'after 500' });
  const ready = agent.serve();
  // From its first sign of life on: the lock names it.
  await within(20, 'the agent has begun to start', (async () => {
    while (readFileSync(`${agent.state}/agent.lock`, 'utf8').trim() !== `${agent.child.pid}`) await new Promise((r) => setTimeout(r, 1));
  })());
  agent.child.kill('SIGHUP');
  await ready;
  await untilLogged(agent, 'msg=reloaded by=signal');
  agent.child.kill('SIGTERM');
  await untilLogged(agent, 'msg=ending');
  agent.child.kill('SIGHUP');
  const { code, signal } = await agent.exit;
  assert.deepEqual([code, signal], [0, null]);
});

scenario('An agent that is killed in the middle of a reload starts with the old settings or the new ones', async (agent) => {
  await agent.untilRunning('base', 'web', 'other');
  for (const delay of [0, 2, 5, 10, 20]) {
    const name = `third-${delay}`;
    await agent.rewrite(template + third.replaceAll('third', name));
    const asked = agent.reload().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 40 + delay));
    await agent.kill();
    await asked;
    await agent.serve();
    await agent.untilRunning('base', 'web', 'other', name);
    await agent.rewrite(template);
    await agent.reload();
    await agent.done('stop', name);
    await untilGone(agent, name);
  }
});
