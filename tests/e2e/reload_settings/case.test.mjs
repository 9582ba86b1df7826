// What a reload takes up, what it leaves alone, and whom it tells.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { scenarios, within } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const template = readFileSync(new URL('settings.toml', import.meta.url), 'utf8');
const local = `local:${userInfo().username}`;
const third = '[[service]]\nname = "third"\ncommand = [${worker:third}]\ntype = "notify"\n';
const without = (name) => template
  .replace(new RegExp(`\\[\\[service\\]\\]\nname    = "${name}"[^[]*\\[[^\\]]*\\][^[]*(depends_on = \\[[^\\]]*\\]\\s*)?`), '')
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
