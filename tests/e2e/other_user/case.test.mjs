// A local user who is neither root nor the agent's: what he may not. He is played by a process of
// uid 65534 (nobody) that really tries. A test of this can only be run by root.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import {
  chmodSync, chownSync, closeSync, copyFileSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, realpathSync,
  renameSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isAlive, program, scenarios, seconds, within } from '../harness/index.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const nobody = 65534;
const skip = process.getuid() === 0 ? false : 'only root can play another user';
const base = scenarios(import.meta.url);
// All that the other user may see of the test is an open folder in one that he may pass through.
const lay = (dir) => {
  chmodSync(dir, 0o711);
  mkdirSync(`${dir}/open`, { mode: 0o755 });
  copyFileSync(`${here}service.py`, `${dir}/open/service.py`);
  chmodSync(`${dir}/open/service.py`, 0o644);
  writeFileSync(`${dir}/open/hook`, '#!/bin/sh\nexit 0\n');
  chmodSync(`${dir}/open/hook`, 0o755);
  return [];
};
const scenario = (sentence, body, more = {}) => base(sentence, body, { skip, through: lay, ...more });
const asOther = { uid: nobody, gid: nobody, cwd: '/' };
const intruderSource = readFileSync(`${here}intruder.py`, 'utf8');

// What came of each try: "ok", an errno's name, or what was answered. folder: an open directory that
// he is given as descriptor 3.
function tryAll(tries, { folder } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/python3', ['-c', intruderSource, JSON.stringify(tries)], { ...asOther, stdio: ['ignore', 'pipe', 'inherit', ...(folder === undefined ? [] : [folder])] });
    let text = '';
    child.stdout.on('data', (part) => { text += part; });
    child.on('error', reject);
    child.on('close', () => (text ? resolve(JSON.parse(text)) : reject(new Error('the other user came to nothing'))));
  });
}
const refusals = ['EACCES', 'EPERM'];
async function refused(tries, options, allowed = refusals) {
  const answers = await tryAll(tries, options);
  answers.forEach((answer, i) => assert.ok(allowed.includes(answer), `${JSON.stringify(tries[i])} came to ${answer}`));
}

function everyFile(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => [`${folder}/${entry.name}`, ...(entry.isDirectory() ? everyFile(`${folder}/${entry.name}`) : [])]);
}
const keeperOf = (agent) => Number(readFileSync(`${agent.state}/keeper.lock`, 'utf8'));
const notifyAddress = (pid) => /NOTIFY_SOCKET=@([^\0]+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))[1];
async function running(agent) {
  await agent.untilRunning('mail', 'spool');
  return { mail: await agent.service('mail'), spool: await agent.service('spool') };
}
// Makes the service say this, and returns once the last of it was heard: all that was sent to its
// socket before was heard by then, too.
async function say(agent, name, pid, ...lines) {
  const mark = `heard ${(Math.random() + 1).toString(36)}`;
  writeFileSync(`${agent.dir}/open/${name}.say`, [...lines, `STATUS=${mark}`].join('\n'), { mode: 0o644 });
  process.kill(pid, 'SIGUSR1');
  return agent.untilService(name, (s) => s.status_text === mark, `${name} says what it is told`);
}

scenario('He reads nothing in the state directory, by name or through an open directory', async (agent) => {
  await running(agent);
  await agent.done('restart', 'spool');
  const files = everyFile(agent.state);
  for (const name of ['noforce.db', 'admin.token', 'tls/server.key', 'tls/ca.key', 'logs/mail.log', 'keeper.sock', 'agent.address']) assert.ok(files.includes(`${agent.state}/${name}`), name);
  const folder = openSync(agent.state, 'r');
  try {
    const relative = files.map((file) => path.relative(agent.state, file));
    await refused([
      ['list', agent.state], ['create', `${agent.state}/planted`], ['mkdir', `${agent.state}/planted`], ['rename', agent.state, `${agent.dir}/open/state`], ['symlink', '/etc/passwd', `${agent.state}/logs/new.log`],
      ...files.flatMap((file) => [['read', file], ['write', file], ['unlink', file], ['link', file, '/tmp/planted']]),
      ...relative.map((name) => ['read_at', 3, name]), ...relative.map((name) => ['read', `/proc/self/fd/3/${name}`]),
      ...[agent.child.pid, keeperOf(agent)].flatMap((pid) => [
        ['list', `/proc/${pid}/fd`], ['readlink', `/proc/${pid}/cwd`], ['list', `/proc/${pid}/root`], ['read', `/proc/${pid}/root${agent.state}/admin.token`],
        ...readdirSync(`/proc/${pid}/fd`).map((fd) => ['read', `/proc/${pid}/fd/${fd}`]),
      ]),
    ], { folder });
    // The door left open by mistake: what is secret has a lock of its own.
    const isPublic = (name) => ['tls', 'logs', 'keeper', 'tls/ca.pem', 'tls/server.pem'].includes(name);
    for (const open of ['', '/tls', '/logs', '/keeper']) chmodSync(agent.state + open, 0o755);
    await refused(relative.filter((name) => !isPublic(name) && !statSync(`${agent.state}/${name}`).isSocket()).flatMap((name) => [['read', `${agent.state}/${name}`], ['write', `${agent.state}/${name}`]]));
  } finally {
    for (const open of ['', '/tls', '/logs', '/keeper']) chmodSync(agent.state + open, 0o700);
    closeSync(folder);
  }
});

scenario('He is not spoken to on the local socket nor on the keeper\'s, though he should reach them', async (agent) => {
  const { mail } = await running(agent);
  const folder = openSync(agent.state, 'r');
  const ask = Buffer.from('{"do":"token.create","name":"mine","role":"admin","services":[],"actions":[],"expires_s":null}\n').toString('hex');
  const keeper = keeperOf(agent);
  const ways = (name, kind, text) => [`${agent.state}/${name}`, `/proc/self/fd/3/${name}`, `/proc/${agent.child.pid}/root${agent.state}/${name}`, `/proc/${keeper}/root${agent.state}/${name}`]
    .map((file) => ['connect', file, kind, text]);
  try {
    await refused([...ways('agent.sock', 'stream', ask), ...ways('keeper.sock', 'seqpacket', '00')], { folder });
    // The doors left open by mistake: the kernel says who speaks.
    chmodSync(agent.state, 0o755);
    for (const socket of ['agent.sock', 'keeper.sock']) chmodSync(`${agent.state}/${socket}`, 0o777);
    const [local, asked, ofKeeper] = await tryAll([
      ['connect', `${agent.state}/agent.sock`, 'stream', ''], ['connect', `${agent.state}/agent.sock`, 'stream', ask], ['connect', `${agent.state}/keeper.sock`, 'seqpacket', '00'],
    ]);
    assert.match(local, /"ok":false.*"forbidden"/);
    assert.ok(asked === '' || asked === local, asked);
    assert.ok(['', 'EPIPE', 'ECONNRESET'].includes(ofKeeper), `the keeper says nothing, not even who it is: ${ofKeeper}`);
  } finally {
    chmodSync(agent.state, 0o700);
    for (const socket of ['agent.sock', 'keeper.sock']) chmodSync(`${agent.state}/${socket}`, 0o600);
    closeSync(folder);
  }
  assert.equal(keeperOf(agent), keeper);
  assert.equal((await agent.done('restart', 'mail')).result, 'succeeded', 'the agent was not cut off from its keeper');
  assert.notEqual((await agent.service('mail')).pid, mail.pid);
  const { stdout } = await agent.run('token', 'list', '--config', agent.settings);
  assert.doesNotMatch(stdout, /mine/);
});

scenario('He neither reads the agent\'s memory or environment, nor its keeper\'s, nor sends them a signal', async (agent) => {
  await running(agent);
  for (const pid of [agent.child.pid, keeperOf(agent)]) {
    await refused([
      ...['mem', 'environ', 'maps', 'smaps', 'auxv', 'stack', 'syscall', 'io', 'pagemap', 'personality', 'map_files'].map((name) => [name === 'map_files' ? 'list' : 'read', `/proc/${pid}/${name}`]),
      ['write', `/proc/${pid}/mem`], ['write', `/proc/${pid}/oom_score_adj`], ['readlink', `/proc/${pid}/exe`],
      ['ptrace', 16, pid], ['ptrace', 0x4206, pid], ['vm_read', pid], ['pidfd_getfd', pid, 3],
      ['kill', pid, 0], ['kill', pid, 19], ['kill', pid, 1], ['pidfd_signal', pid, 10],
    ], {}, [...refusals, 'ENOENT']);
    assert.ok(isAlive(pid));
    assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Uid:\t0\t/m);
  }
  assert.match(readFileSync(`/proc/${agent.child.pid}/limits`, 'utf8'), /Max core file size/);
});

scenario('He fakes no message to a service\'s supervisor, not even as the service\'s own user', async (agent) => {
  const before = await running(agent);
  const stream = await agent.stream();
  const foreign = spawn('/bin/sleep', ['600'], { ...asOther, stdio: 'ignore' });
  try {
    for (const name of ['mail', 'spool']) {
      const { pid } = before[name];
      const address = notifyAddress(pid);
      if (name === 'mail') assert.equal((await tryAll([['read', `/proc/${pid}/environ`]]))[0], 'ok', 'its address is no secret to its own user');
      const lies = ['STATUS=forged', 'STOPPING=1', 'READY=1', `MAINPID=${foreign.pid}`, `MAINPID=${agent.child.pid}`, 'EXTEND_TIMEOUT_USEC=3600000000', 'STATUS=forged\nSTOPPING=1'];
      assert.deepEqual(new Set(await tryAll(lies.map((lie) => ['notify', address, lie]))), new Set(['ok']), 'anybody may write to it');
      // Somebody else's credentials are for root to send.
      await refused([['notify', address, 'STATUS=forged', pid], ['notify', address, 'STATUS=forged', null, 0], ['notify', address, `MAINPID=${foreign.pid}`, agent.child.pid]]);
      const now = await say(agent, name, pid);
      assert.deepEqual([now.state, now.pid], ['running', pid], 'it neither stops nor is it another process');
    }
    assert.ok(!stream.events.some((e) => JSON.stringify(e).includes('forged')));
  } finally {
    foreign.kill('SIGKILL');
    stream.close();
  }
});

scenario('No foreign process is signalled, whatever a service says of its main process', async (agent) => {
  const before = await running(agent);
  const caught = `${agent.dir}/open/caught`;
  writeFileSync(caught, '');
  const watch = `import signal,sys,time\nfor n in (1,2,10,12,15,18): signal.signal(n, lambda *a: open(${JSON.stringify(caught)}, 'a').write(str(a[0])))\nprint('up', flush=True)\nwhile True: signal.pause()`;
  const foreign = spawn('/usr/bin/python3', ['-c', watch], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await new Promise((resolve) => foreign.stdout.once('data', resolve));
    const lies = [foreign.pid, agent.child.pid, keeperOf(agent), 1, 0, -1, 2 ** 31, 2 ** 32 + foreign.pid, `${foreign.pid} `, `0x${foreign.pid.toString(16)}`].map((pid) => `MAINPID=${pid}`);
    for (const name of ['mail', 'spool']) {
      // By itself, and by a child that has become another user.
      const now = await say(agent, name, before[name].pid, ...lies, ...(name === 'spool' ? lies.map((lie) => `child:${lie}`) : []));
      assert.equal(now.pid, before[name].pid);
      assert.equal((await agent.done('pause', name)).result, 'succeeded');
      assert.equal((await agent.done('continue', name)).result, 'succeeded');
      assert.equal((await agent.done('restart', name)).result, 'succeeded');
      assert.ok(!isAlive(before[name].pid));
    }
    assert.ok(isAlive(foreign.pid) && !/[TtZ]/.test(readFileSync(`/proc/${foreign.pid}/stat`, 'utf8').split(') ')[1][0]));
    assert.equal(readFileSync(caught, 'utf8'), '', 'the foreign process got no signal');
  } finally {
    foreign.kill('SIGKILL');
  }
});

scenario('He cannot take the name of a notify socket while its agent or its keeper lives', async (agent) => {
  const { mail } = await running(agent);
  const address = notifyAddress(mail.pid);
  const taken = async () => assert.deepEqual(await tryAll([['bind_abstract', address]]), ['EADDRINUSE']);
  await taken();
  await agent.kill();
  await taken();
  await agent.serve();
  await agent.untilState('mail', 'running');
  const keeper = keeperOf(agent);
  process.kill(keeper, 'SIGKILL');
  await taken();
  await agent.untilService('mail', (s) => s.state === 'running' && s.pid === mail.pid && keeperOf(agent) !== keeper, 'another keeper has it');
  await taken();
  const now = await say(agent, 'mail', mail.pid);
  assert.equal(now.pid, mail.pid, 'and it is still heard');

  // Both gone at once: then the name is anybody's. Nobody is believed for having it.
  const last = keeperOf(agent);
  await agent.kill(); // first, or it would start another keeper
  process.kill(last, 'SIGKILL');
  while (existsSync(`/proc/${last}`)) await sleep(5);
  const squatter = spawn('/usr/bin/python3', ['-c', intruderSource, JSON.stringify([['bind_abstract', address]]), 'hold'], { ...asOther, stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await within(30, 'the name is taken', new Promise((resolve) => squatter.stdout.once('data', resolve)));
    await agent.serve();
    const found = await agent.untilService('mail', (s) => s.state === 'running' && /sd_notify messages cannot be heard/.test(s.warnings.join()), 'it is found again, with a warning');
    assert.equal(found.pid, mail.pid);
    assert.equal((await agent.done('restart', 'mail')).result, 'succeeded', 'a new run has a new name');
    assert.doesNotMatch((await agent.service('mail')).warnings.join(), /cannot be heard/);
  } finally {
    squatter.stdin.end();
    await new Promise((resolve) => squatter.once('exit', resolve));
  }
});

// Ways to have somebody else's program in a path that the settings name. [sentence, make(dir) -> path]
const own = (file, content = '#!/bin/sh\nexit 0\n', mode = 0o755) => {
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
};
const folderOf = (dir, name, mode, uid = 0) => {
  mkdirSync(`${dir}/${name}`);
  chmodSync(`${dir}/${name}`, mode);
  chownSync(`${dir}/${name}`, uid, uid);
  return `${dir}/${name}`;
};
const linkOf = (target, file, uid) => {
  symlinkSync(target, file);
  if (uid) return promisify(execFile)('chown', ['-h', `${uid}:${uid}`, file]).then(() => file);
  return file;
};
const planted = [
  ['writable by all', (d) => own(`${d}/p`, undefined, 0o757)], ['writable by its group', (d) => { chownSync(own(`${d}/p`), 0, nobody); chmodSync(`${d}/p`, 0o775); return `${d}/p`; }],
  ['in a folder that a group may write', (d) => { const f = folderOf(d, 'f', 0o775); chownSync(f, 0, nobody); return own(`${f}/p`); }],
  ['somebody else\'s', (d) => { chownSync(own(`${d}/p`), nobody, nobody); return `${d}/p`; }],
  ['in a folder that all may write', (d) => own(`${folderOf(d, 'f', 0o777)}/p`)], ['in a folder of somebody else', (d) => own(`${folderOf(d, 'f', 0o755, nobody)}/p`)],
  ['two folders below one that all may write', (d) => own(`${folderOf(folderOf(folderOf(d, 'a', 0o777), 'b', 0o755), 'c', 0o755)}/p`)],
  ['behind a link of somebody else in a sticky folder', (d) => linkOf(own(`${d}/p`), `${folderOf(d, 's', 0o1777)}/l`, nobody)],
  ['behind a link in a folder that all may write', (d) => linkOf(own(`${d}/p`), `${folderOf(d, 'f', 0o777)}/l`)],
  ['behind a link to a folder of somebody else', (d) => { const p = own(`${folderOf(d, 'f', 0o755, nobody)}/p`); linkOf(path.dirname(p), `${d}/l`); return `${d}/l/p`; }],
  ['below dots that pass through one', (d) => { folderOf(d, 'f', 0o777); own(`${d}/p`); return `${d}/f/../p`; }],
];
const trustedOnes = [
  ['root\'s', (d) => own(`${d}/p`)], ['behind a link of root', (d) => linkOf(own(`${d}/p`), `${d}/l`)], ['in a sticky folder', (d) => own(`${folderOf(d, 's', 0o1777)}/p`)],
];

function folder() {
  const dir = mkdtempSync(path.join(realpathSync(tmpdir()), 'noforce-other-'));
  chmodSync(dir, 0o755);
  return dir;
}
async function noforce(...words) {
  return promisify(execFile)(program, words, { timeout: seconds(30), encoding: 'utf8' }).then(({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    (error) => ({ code: error.code, text: `${error.stdout}${error.stderr}` }));
}
const settingsWith = (dir, file, what) => {
  const service = (more, command = '/bin/true') => `[server]\nlisten = "127.0.0.1:0"\nstate_dir = "${dir}/state"\n[[service]]\nname = "x"\ncommand = ["${command}"]\nstart = "manual"\n${more}\n`;
  return {
    before_stop: service(`[policy.x]\nbefore_stop = [["${file}"]]`), after_start: service(`[policy.x]\nafter_start = [["/bin/true"], ["${file}", "x"]]`),
    command: service('', file), stop_command: service(`stop_command = ["${file}"]`), reload_command: service(`reload_command = ["${file}", "--again"]`),
    'command of another user': service('user = "daemon"', file),
  }[what];
};

test('No program in which somebody else has a hand is run: check-config and serve refuse the settings', { skip, timeout: seconds(200) }, async () => {
  const dir = folder();
  try {
    let n = 0;
    for (const [sentences, isRefused] of [[planted, true], [trustedOnes, false]]) {
      for (const [sentence, make] of sentences) {
        const place = folderOf(dir, `case${n += 1}`, 0o755);
        const file = await make(place);
        for (const what of ['before_stop', 'after_start', 'command', 'stop_command', 'reload_command', 'command of another user']) {
          const settings = own(`${place}/settings.toml`, settingsWith(dir, file, what), 0o644);
          const checked = await noforce('check-config', settings);
          assert.equal(checked.code !== 0, isRefused, `${what} ${sentence}: ${checked.text}`);
          if (!isRefused) continue;
          assert.match(checked.text, /settings\.toml:\d+:\d+: .*(writ|belongs)/, `${what} ${sentence}`);
          if (what !== 'before_stop' && what !== 'command') continue;
          const served = await noforce('serve', '--config', settings);
          assert.ok(served.code !== 0 && /writ|belongs/.test(served.text), `${what} ${sentence}: ${served.text}`);
        }
      }
    }
    // A service may run its own user's program, and nobody else's.
    const theirs = own(`${folderOf(dir, 'home', 0o755, nobody)}/p`);
    chownSync(theirs, nobody, nobody);
    const as = (user) => own(`${dir}/as.toml`, settingsWith(dir, theirs, 'command of another user').replace('daemon', user), 0o644);
    assert.equal((await noforce('check-config', as('nobody'))).code, 0);
    assert.notEqual((await noforce('check-config', as('daemon'))).code, 0);
    assert.ok(!existsSync(`${dir}/state`), 'nothing was made');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('An access control list that lets somebody write counts as the group\'s right', { skip }, async () => {
  const dir = folder();
  try {
    const file = own(`${dir}/p`);
    await promisify(execFile)('setfacl', ['-m', `u:${nobody}:rwx`, file]);
    const settings = own(`${dir}/settings.toml`, settingsWith(dir, file, 'before_stop'), 0o644);
    assert.notEqual((await noforce('check-config', settings)).code, 0);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('Settings that somebody else could have written are refused', { skip, timeout: seconds(100) }, async () => {
  const dir = folder();
  const text = settingsWith(dir, '/bin/true', 'command');
  try {
    let n = 0;
    for (const [sentence, make] of planted) {
      const place = folderOf(dir, `case${n += 1}`, 0o755);
      const file = await make(place);
      const real = realpathSync(file);
      const { mode, uid } = statSync(real);
      writeFileSync(real, text);
      chmodSync(real, mode & 0o777);
      chownSync(real, uid, uid);
      for (const words of [['check-config', file], ['serve', '--config', file]]) {
        const { code, text: said } = await noforce(...words);
        assert.ok(code !== 0 && /only root and the agent's user may be able to write it/.test(said), `${sentence}: ${words[0]}: ${said}`);
      }
    }
    const good = own(`${dir}/good.toml`, text, 0o644);
    assert.equal((await noforce('check-config', good)).code, 0);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

scenario('A program that is planted later comes in neither by a reload nor by a job', async (agent) => {
  const { mail, spool } = await running(agent);
  const good = readFileSync(agent.settings, 'utf8');
  const bad = folderOf(agent.dir, 'bad', 0o777);
  own(`${bad}/p`, `#!/bin/sh\ntouch ${agent.dir}/ran\n`);
  for (const more of [`[policy."mail"]\nbefore_stop = [["${bad}/p"]]\n`, `[[service]]\nname = "new"\ncommand = ["${bad}/p"]\n`]) {
    writeFileSync(agent.settings, good + more);
    await assert.rejects(agent.run('reload', '--config', agent.settings), (error) => /can be written by group or others/.test(error.stderr + error.stdout));
  }
  writeFileSync(agent.settings, good);
  chmodSync(agent.settings, 0o666);
  await assert.rejects(agent.run('reload', '--config', agent.settings), (error) => /only root and the agent's user/.test(error.stderr + error.stdout));
  chmodSync(agent.settings, 0o600);
  await agent.run('reload', '--config', agent.settings);
  assert.deepEqual([(await agent.service('mail')).pid, (await agent.service('spool')).pid], [mail.pid, spool.pid]);

  // The hook was good when the settings were read. It is looked at again right before it is run; what
  // could change between that look and the running of it is only root's and the agent's to change.
  await refused([['write', `${agent.dir}/open/hook`], ['rename', `${agent.dir}/open/hook`, '/tmp/hook'], ['unlink', `${agent.dir}/open/hook`], ['rename', `${agent.dir}/open`, `${agent.dir}/closed`]], {}, [...refusals, 'EXDEV']);
  chmodSync(`${agent.dir}/open/hook`, 0o777);
  const job = await agent.done('stop', 'spool');
  assert.deepEqual([job.result, job.steps.find((s) => s.operation === 'hook').error.code], ['failed', 'hook_failed']);
  assert.equal((await agent.service('spool')).pid, spool.pid, 'what its hook did not prepare is not stopped');
  chmodSync(`${agent.dir}/open/hook`, 0o755);
  renameSync(`${agent.dir}/open/hook`, `${agent.dir}/open/real`);
  await linkOf(`${agent.dir}/open/real`, `${agent.dir}/open/hook`, nobody);
  assert.equal((await agent.done('stop', 'spool')).result, 'failed', 'a link of somebody else');
  rmSync(`${agent.dir}/open/hook`);
  renameSync(`${agent.dir}/open/real`, `${agent.dir}/open/hook`);
  assert.equal((await agent.done('restart', 'spool')).result, 'succeeded');
  assert.ok(!existsSync(`${agent.dir}/ran`));
});

test('No link, pipe or file of his is taken for the agent\'s log', { skip, timeout: seconds(100) }, async () => {
  const dir = folder();
  try {
    const sticky = folderOf(dir, 'sticky', 0o1777);
    const wide = folderOf(dir, 'wide', 0o777);
    const victim = own(`${dir}/victim`, 'untouched\n', 0o600);
    const [, , link] = await tryAll([['create', `${sticky}/theirs.log`], ['chmod', `${sticky}/theirs.log`, 0o666], ['symlink', victim, `${sticky}/link.log`], ['symlink', `${dir}/new`, `${sticky}/dangling.log`],
      ['mkdir', `${sticky}/folder`]]);
    assert.equal(link, 'ok');
    linkSync(victim, `${sticky}/hard.log`);
    await promisify(execFile)('mkfifo', [`${sticky}/pipe.log`]);
    for (const log of [`${sticky}/link.log`, `${sticky}/dangling.log`, `${sticky}/theirs.log`, `${sticky}/hard.log`, `${sticky}/pipe.log`, `${sticky}/folder/new.log`, `${sticky}/folder`, `${wide}/new.log`]) {
      const settings = own(`${dir}/settings.toml`, `[server]\nlisten = "127.0.0.1:0"\nstate_dir = "${dir}/state"\n[log]\nfile = "${log}"\n`, 0o600);
      const { code, text } = await noforce('serve', '--config', settings);
      assert.ok(code !== 0 && text.length > 20, `${log}: ${code} ${text}`);
      assert.equal(readFileSync(victim, 'utf8'), 'untouched\n', log);
    }
    assert.deepEqual([existsSync(`${dir}/new`), existsSync(`${wide}/new.log`), readdirSync(`${sticky}/folder`), statSync(`${sticky}/theirs.log`).size], [false, false, [], 0]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('Nothing is made in a directory that is his, or that he can put another in the place of', { skip, timeout: seconds(100) }, async () => {
  const dir = folder();
  try {
    const sticky = folderOf(dir, 'sticky', 0o1777);
    const secret = folderOf(dir, 'secret', 0o700);
    await tryAll([['mkdir', `${sticky}/theirs`], ['chmod', `${sticky}/theirs`, 0o700], ['symlink', secret, `${sticky}/link`], ['symlink', dir, `${sticky}/above`]]);
    const places = [
      `${sticky}/theirs`, `${sticky}/theirs/below`, `${sticky}/link`, `${sticky}/link/below`, `${sticky}/above/new`, folderOf(dir, 'open', 0o755), `${folderOf(dir, 'wide', 0o777)}/state`,
      `${folderOf(dir, 'home', 0o755, nobody)}/state`, own(`${dir}/file`, ''), folderOf(dir, 'group', 0o770),
    ];
    for (const place of places) {
      const made = await noforce('init', '--state-dir', place, '--host', 'localhost');
      assert.ok(made.code !== 0 && made.text.length > 20, `init in ${place}: ${made.text}`);
      const settings = own(`${dir}/settings.toml`, `[server]\nlisten = "127.0.0.1:0"\nstate_dir = "${place}"\n`, 0o600);
      const served = await noforce('serve', '--config', settings);
      assert.ok(served.code !== 0 && served.text.length > 20, `serve in ${place}: ${served.text}`);
      if (existsSync(place) && statSync(place).isDirectory()) assert.deepEqual(readdirSync(place), [], place);
    }
    assert.deepEqual(readdirSync(secret), []);
    const good = await noforce('init', '--state-dir', `${sticky}/mine`, '--host', 'localhost');
    assert.equal(good.code, 0, good.text);
    assert.equal(statSync(`${sticky}/mine`).mode & 0o777, 0o700);
    linkOf(`${sticky}/mine`, `${dir}/by-link`);
    assert.equal((await noforce('token', 'list', '--state-dir', `${dir}/by-link`)).code, 0, 'a link of root is root\'s word');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

scenario('What lies in the state directory under a name of the agent\'s is never followed as a link', async (agent) => {
  const { mail } = await running(agent);
  const victim = own(`${agent.dir}/victim`, 'untouched\n', 0o600);
  const untouched = (what) => assert.deepEqual([readFileSync(victim, 'utf8'), statSync(victim).mode & 0o777], ['untouched\n', 0o600], what);
  // A service's log: its output is lost rather than written elsewhere, and the service says so.
  rmSync(`${agent.state}/logs/mail.log`);
  symlinkSync(victim, `${agent.state}/logs/mail.log`);
  assert.equal((await agent.done('restart', 'mail')).result, 'succeeded');
  assert.match((await agent.service('mail')).warnings.join(), /log cannot be opened/);
  assert.ok(!isAlive(mail.pid));
  untouched('logs/mail.log');
  rmSync(`${agent.state}/logs/mail.log`);

  // A backup goes where nothing is.
  const sticky = folderOf(agent.dir, 'sticky', 0o1777);
  await tryAll([['symlink', victim, `${sticky}/copy`], ['symlink', `${agent.dir}/made`, `${sticky}/dangling`], ['create', `${sticky}/theirs`]]);
  for (const name of ['copy', 'dangling', 'theirs']) await assert.rejects(agent.run('backup', `${sticky}/${name}`, '--config', agent.settings), name);
  untouched('backup');
  assert.ok(!existsSync(`${agent.dir}/made`) && statSync(`${sticky}/theirs`).size === 0);
  await agent.run('backup', `${sticky}/whole`, '--config', agent.settings);
  assert.deepEqual([statSync(`${sticky}/whole`).mode & 0o777, (await tryAll([['read', `${sticky}/whole`]]))[0]], [0o600, 'EACCES']);

  await agent.end();
  for (const name of ['agent.address', 'agent.sock']) {
    rmSync(`${agent.state}/${name}`, { force: true });
    symlinkSync(victim, `${agent.state}/${name}`);
  }
  await agent.serve();
  untouched('agent.address, agent.sock');
  assert.ok(!lstatSync(`${agent.state}/agent.address`).isSymbolicLink());
  await agent.end();
  for (const name of ['agent.lock', 'noforce.db']) {
    renameSync(`${agent.state}/${name}`, `${agent.dir}/kept`);
    symlinkSync(victim, `${agent.state}/${name}`);
    assert.notEqual((await noforce('serve', '--config', agent.settings)).code, 0, name);
    untouched(name);
    rmSync(`${agent.state}/${name}`);
    renameSync(`${agent.dir}/kept`, `${agent.state}/${name}`);
  }
  await agent.serve();
  assert.equal(readlinkSync(`/proc/${agent.child.pid}/exe`), realpathSync(program));
});
