// Role x route x service x action. The routes and their roles come from openapi.yaml as it is now:
// an operation for which there is no row here fails the test. What has to be answered is worked out
// by matrix_model.mjs. Every answer is held to one rule besides: no caller is told a name that it may
// not see, unless it said it first.
import assert from 'node:assert/strict';
import https from 'node:https';
import net from 'node:net';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Authority, EventStream, program, scenarios, seconds } from '../e2e/harness/index.mjs';
import { Model, actions, rank } from './matrix_model.mjs';
import { operations, strictContract } from './strict.mjs';

const scenario = scenarios(import.meta.url, { settings: 'matrix.settings.toml' });

const model = new Model({
  services: {
    oakbase: { needs: [], up: true },
    oakleaf: { needs: ['oakbase'], up: true, reloads: true },
    oaktwig: { needs: ['oakleaf'], up: true },
    smtpsvc: { needs: [], up: true },
    smtpidle: { needs: ['smtpsvc'], up: false },
    coalstore: { needs: [], up: false },
    coalapp: { needs: ['coalstore'], up: false },
    lostapp: { needs: ['lostbase'], up: false },
    lostbase: { needs: [], up: false, disabled: true },
    goldvault: { needs: [], up: true, isProtected: true },
  },
  groups: {
    grove: ['oakbase', 'oakleaf', 'oaktwig'], mixture: ['oakleaf', 'smtpsvc'], treasury: ['goldvault'], mailroom: ['smtpsvc', 'smtpidle'],
  },
});
const running = model.names.filter((name) => model.services[name].up);

// [role, globs, actions]
const kinds = [
  ['viewer', [], []], ['operator', [], []], ['admin', [], []],
  ['viewer', ['oakleaf'], []], ['viewer', ['smtp*'], ['restart']],
  ['operator', ['oakleaf'], []], ['operator', ['OAKLEAF', 'OakTwig'], []], ['operator', ['smtp*'], []],
  ['operator', ['oakbase', 'oakleaf'], []], ['operator', ['oak*'], ['restart', 'reload']], ['operator', ['oak????'], []],
  ['operator', ['coalapp'], []], ['operator', ['coal*'], ['start']], ['operator', ['lostapp'], []], ['operator', ['lost*'], []],
  ['operator', ['goldvault', 'smtpsvc'], []], ['operator', ['*'], ['stop']], ['operator', [], ['start', 'stop']],
  ['operator', ['nobody*'], []], ['operator', ['smtpsvc', 'oakleaf'], []],
];

// One exchange, judged by the contract, on a connection that is kept. `from`: a loopback address to
// come from.
class Talk {
  // identity: a client certificate and its key, to show in each handshake.
  constructor(agent, identity) {
    [this.host, this.port] = agent.address.split(':');
    this.identity = identity;
    this.pool = new https.Agent({ keepAlive: true, maxSockets: 8, ca: agent.ca, ...identity });
    this.contract = strictContract();
    this.count = 0;
    agent.clients.push(this);
  }

  close() {
    this.pool.destroy();
  }

  ask(method, path, { authorization, body, headers = {}, from } = {}) {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const all = { ...headers };
    if (authorization !== undefined) all.authorization = authorization;
    // With a certificate each write says that it is JSON, also without a body.
    if (sent !== undefined || (this.identity && method !== 'GET')) all['content-type'] ??= 'application/json';
    if (sent !== undefined) all['content-length'] = Buffer.byteLength(sent);
    const options = { host: this.host, port: this.port, agent: this.pool, method, path, headers: all, localAddress: from, timeout: 60_000 };
    return new Promise((resolve, reject) => {
      const request = https.request(options, (response) => {
        // A stream has no end to wait for; its head is the answer.
        const isStream = /event-stream/.test(response.headers['content-type'] ?? '');
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => { text += part; });
        const done = () => {
          const answer = { status: response.statusCode, headers: response.headers, text };
          if (!isStream && /json/.test(response.headers['content-type'] ?? '') && text !== '') answer.body = JSON.parse(text);
          try {
            if (!isStream) this.contract.checkAnswer({ method, path, ...answer });
            this.count += 1;
            resolve(answer);
          } catch (error) {
            reject(error);
          }
        };
        if (isStream) {
          response.on('error', () => {});
          done();
          response.destroy();
        } else {
          response.on('end', done);
          response.on('error', reject);
        }
      });
      request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer`)));
      request.on('error', reject);
      request.end(sent);
    });
  }
}

// A credential's holder. What it is answered must not hold what it may not see.
class Caller {
  constructor(talk, name, [role, globs, narrowedTo], token) {
    Object.assign(this, { talk, name, role, globs, actions: narrowedTo, token });
    this.secrets = model.secrets(this);
  }

  get words() {
    return `${this.role}[${this.globs}][${this.actions}]`;
  }

  async ask(method, path, options = {}) {
    const answer = await this.talk.ask(method, path, { ...(this.token ? { authorization: `Bearer ${this.token}` } : {}), ...options });
    const said = decodeURIComponent(`${path} ${JSON.stringify(options.body ?? '')}`);
    const told = `${answer.text}\n${JSON.stringify(answer.headers)}`;
    for (const secret of this.secrets) {
      if (!said.includes(secret)) assert.ok(!told.includes(secret), `${this.words} ${method} ${path} was told of ${secret}: ${told}`);
    }
    return answer;
  }
}

function local(agent, request) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(`${agent.state}/agent.sock`, () => socket.write(`${JSON.stringify(request)}\n`));
    let text = '';
    socket.on('data', (part) => { text += part; });
    socket.on('error', reject);
    socket.on('end', () => resolve(JSON.parse(text)));
  });
}

async function newToken(agent, name, [role, services, narrowedTo], expires = null) {
  const said = await local(agent, { do: 'token.create', name, role, services, actions: narrowedTo, expires_s: expires });
  assert.ok(said.ok, JSON.stringify(said));
  return said.result.secret;
}

async function callersFor(agent, talk, wanted = kinds) {
  const callers = [];
  for (const [i, kind] of wanted.entries()) callers.push(new Caller(talk, `c${i}`, kind, await newToken(agent, `c${i}`, kind)));
  return callers;
}

// Many at a time, in any order; the first failure is thrown.
async function each(items, perform, atOnce = 8) {
  const queue = [...items];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (queue.length > 0) await perform(queue.shift());
  }));
}

const got = ({ status, body }) => `${status} ${body?.code}`;
const expected = ({ status, code }) => `${status} ${code}`;

// One row an operation: a request that whoever has the role gets through with, and what a narrowed
// caller gets instead. `job`: an ended job on oakleaf; `done`: what the answer must be.
const rows = {
  getHealth: () => ({ path: '/healthz', done: () => '200 undefined' }),
  getReadiness: () => ({ path: '/readyz', done: () => '200 undefined' }),
  getContractYaml: () => ({ path: '/openapi.yaml', done: () => '200 undefined' }),
  getContractJson: () => ({ path: '/openapi.json', done: () => '200 undefined' }),
  getAgent: () => ({ path: '/v1/agent', done: () => '200 undefined' }),
  listServices: () => ({ path: '/v1/services', done: () => '200 undefined' }),
  getService: () => ({ path: '/v1/services/oakleaf', done: (who) => (model.sees(who, 'oakleaf') ? '200 undefined' : '404 unknown_service') }),
  controlService: () => ({ path: '/v1/services/oakleaf/start', done: (who) => job(who, { action: 'start', names: ['oakleaf'] }) }),
  listGroups: () => ({ path: '/v1/groups', done: () => '200 undefined' }),
  getGroup: () => ({ path: '/v1/groups/grove', done: (who) => (model.visibleGroups(who).includes('grove') ? '200 undefined' : '404 unknown_group') }),
  controlGroup: () => ({ path: '/v1/groups/grove/start', done: (who) => job(who, { action: 'start', group: 'grove' }) }),
  createJob: () => ({ path: '/v1/jobs', body: { action: 'start', services: ['oakleaf'] }, done: (who) => job(who, { action: 'start', names: ['oakleaf'] }) }),
  listJobs: () => ({ path: '/v1/jobs', done: () => '200 undefined' }),
  getJob: (ended) => ({ path: `/v1/jobs/${ended}`, done: (who) => (model.sees(who, 'oakleaf') ? '200 undefined' : '404 unknown_job') }),
  cancelJob: (ended) => ({
    path: `/v1/jobs/${ended}/cancel`,
    done: (who) => (!model.sees(who, 'oakleaf') ? '404 unknown_job' : mayDo(who, 'start') ? '409 already_done' : '403 forbidden'),
  }),
  streamEvents: () => ({ path: '/v1/events', done: () => '200 undefined' }),
  listAudit: () => ({ path: '/v1/audit', done: () => '200 undefined' }),
  getHold: () => ({ path: '/v1/hold', done: () => '200 undefined' }),
  // The release is what nobody gets over the network.
  setHold: () => ({ path: '/v1/hold?on=0', done: () => '403 forbidden' }),
  putOnHold: () => ({ path: '/v1/hold', body: { on: false }, done: () => '403 forbidden' }),
};
const mayDo = (who, action) => who.actions.length === 0 || who.actions.includes(action);
const job = (who, request) => expected(model.job(who, request));

function rowOf(operation, ended) {
  assert.ok(rows[operation.id], `${operation.method} ${operation.path} (${operation.id}) is new: say in this test who may do it`);
  return rows[operation.id](ended);
}

scenario('Each operation answers whom its x-role names, and each kind of broken credential gets nothing', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const { id: ended } = await agent.done('start', 'oakleaf');
  const callers = await callersFor(agent, talk);
  const expiring = await newToken(agent, 'short', ['admin', [], []], 1);
  const revoked = await newToken(agent, 'gone', ['admin', [], []]);
  await local(agent, { do: 'token.revoke', name: 'gone' });
  const good = callers[2].token;
  // The same name again: what was revoked stays revoked.
  await newToken(agent, 'gone', ['admin', [], []]).catch(() => {});
  for (;;) if ((await talk.ask('GET', '/v1/hold', { authorization: `Bearer ${expiring}`, from: '127.0.9.9' })).status === 401) break;

  const broken = {
    none: undefined, empty: '', 'no token': 'Bearer', 'a space': 'Bearer ', basic: `Basic ${Buffer.from(`admin:${good}`).toString('base64')}`,
    'another scheme': `Token ${good}`, 'no scheme': good, 'too short': `Bearer ${good.slice(0, -1)}`, 'too long': `Bearer ${good}A`, 'much too long': `Bearer nf_${'A'.repeat(4000)}`,
    'letter case': `Bearer ${good.toLowerCase()}`, quoted: `Bearer "${good}"`, 'two in one': `Bearer ${good}, Bearer ${good}`, 'two words': `Bearer ${good} ${good}`,
    'two headers': [`Bearer ${good}`, `Bearer ${good}`], 'good and bad': [`Bearer ${good}`, 'Bearer nf_x'], unknown: `Bearer nf_${'A'.repeat(43)}`, 'no prefix': `Bearer ${good.slice(3)}`,
    expired: `Bearer ${expiring}`, revoked: `Bearer ${revoked}`, 'the name': 'Bearer c2', 'not ASCII': 'Bearer nf_\u00e9\u00e9',
  };
  const all = operations();
  assert.ok(all.length >= 20);
  const kindsOfBroken = Object.entries(broken);
  await each(all.flatMap((operation, i) => kindsOfBroken.map(([kind, authorization], k) => ({ operation, i, kind, authorization, k }))),
    async ({ operation, i, kind, authorization, k }) => {
      const { path, body } = rowOf(operation, ended);
      // Few failures from each address: else it would be 429 for some.
      const answer = await talk.ask(operation.method, path, { authorization, body, from: `127.1.${i}.${1 + (k >> 3)}` });
      const isOpen = rank[operation.role] === 0;
      assert.equal(got(answer), isOpen ? '200 undefined' : '401 unauthorized', `${operation.id} with ${kind}`);
      if (isOpen) return;
      assert.match(answer.headers['www-authenticate'], /^Bearer/, kind);
      for (const secret of [...model.names, ...Object.keys(model.groups), good]) assert.ok(!answer.text.includes(secret), answer.text);
    });
  await each(all.flatMap((operation) => callers.map((who) => ({ operation, who }))), async ({ operation, who }) => {
    const { path, body, done } = rowOf(operation, ended);
    const has = rank[who.role] >= rank[operation.role];
    const right = has ? done(who) : '403 forbidden';
    assert.equal(got(await who.ask(operation.method, path, { body })), right, `${operation.id} as ${who.words}`);
    // A dry run is for whoever may look, and only where there is one.
    if (operation.method === 'GET' || rank[operation.role] !== rank.operator || operation.id === 'cancelJob') return;
    const dry = await who.ask(operation.method, `${path}?dry_run=1`, { body });
    assert.ok([200, 403, 404].includes(dry.status), `${operation.id} dry as ${who.words}: ${dry.text}`);
  });
  for (const path of [`/v1/jobs/${ended}/cancel`, '/v1/hold']) {
    assert.equal(got(await callers[0].ask('POST', `${path}?dry_run=1`)), path === '/v1/hold' ? '403 forbidden' : '422 malformed', 'no way round the role');
  }
  assert.equal((await talk.ask('GET', '/v1/hold', { authorization: `bEARER ${good}` })).status, 200, 'the scheme has no case');
  assert.ok(talk.count > 700, `${talk.count} requests`);
});

scenario('A good token is answered from an address from which bad ones came by the hundred', async (agent) => {
  const talk = new Talk(agent);
  const token = await newToken(agent, 'dashboard', ['viewer', [], []]);
  const from = '127.2.0.1';
  const answers = new Set();
  await each(Array.from({ length: 100 }), async () => answers.add(got(await talk.ask('GET', '/v1/services', { authorization: `Bearer nf_${'B'.repeat(43)}`, from }))));
  assert.deepEqual([...answers].sort(), ['401 unauthorized', '429 rate_limited']);
  assert.equal((await talk.ask('GET', '/v1/services', { authorization: `Bearer ${token}`, from })).status, 200);
});

scenario('A job is accepted only where role, globs and actions cover all that its plan touches', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const callers = await callersFor(agent, talk);
  const mark = agent.life.mark();
  const targets = [
    ...model.names.map((name) => ({ names: [name] })), ...Object.keys(model.groups).map((group) => ({ group })),
    { names: ['oakleaf', 'smtpsvc'] }, { names: ['smtpsvc', 'goldvault'] }, { names: ['oakbase', 'oakleaf', 'oaktwig'] }, { names: ['nobody'] }, { names: ['smtpnone'] },
    { names: ['oakleaf', 'nobody'] }, { group: 'nogroup' },
  ];
  const cases = callers.flatMap((who) => targets.flatMap((target) => actions.flatMap((action) => [false, true].flatMap((consent) =>
    [false, true].map((dry) => ({ who, action, consent, dry, reason: target.names?.[0] !== 'goldvault' || consent, ...target }))))));
  let allowed = 0;
  await each(cases, async (request) => {
    const { who, action, names, group, consent, dry, reason } = request;
    const right = model.job(who, request);
    // What would be done is only asked for; what changes nothing is done.
    if (right.status === 202 && right.plan.stops.length + right.plan.starts.length + (['reload', 'pause', 'continue'].includes(action) ? 1 : 0) > 0) return;
    // One way to say it after the other: path and query, path and body, a job.
    const options = { ...(consent ? { dependents: 'include' } : {}), ...(reason ? { reason: 'matrix' } : {}) };
    const kind = names?.length === 1 || group ? (allowed + action.length + who.name.length) % 3 : 2;
    const base = group ? `/v1/groups/${group}/${action}` : `/v1/services/${names[0]}/${action}`;
    const query = new URLSearchParams({ ...(kind === 0 ? options : {}), ...(dry ? { dry_run: '1' } : {}) });
    const body = kind === 0 ? undefined : kind === 1 ? options : { action, ...(group ? { group } : { services: names }), ...options };
    const answer = await who.ask('POST', `${kind === 2 ? '/v1/jobs' : base}?${query}`, { body });
    const what = `${who.words} ${action} ${names ?? group}${consent ? ' with consent' : ''}${dry ? ' dry' : ''}: ${answer.text}`;
    allowed += 1;
    if (right.status === 202) {
      assert.ok([200, 202].includes(answer.status), what);
      return;
    }
    assert.equal(got(answer), expected(right), what);
    if (answer.status !== 200) return;
    assert.deepEqual([answer.body.would_answer.status, answer.body.would_answer.code], [right.would.status, right.would.code], what);
    assert.deepEqual([...answer.body.goes_down].sort(), [...right.plan.stops].sort(), what);
    const planned = new Set(answer.body.steps.map((step) => step.service));
    if (['stop', 'start', 'restart'].includes(action)) assert.deepEqual([...planned].sort(), [...new Set([...right.plan.stops, ...right.plan.starts])].sort(), what);
  });
  assert.ok(talk.count > 3000, `${talk.count} requests`);
  assert.deepEqual(agent.life.sentences(mark), [], 'nothing was done to any service');
  for (const { action, result } of (await agent.api.get('/v1/jobs?limit=1000')).body.items.filter((j) => j.reason === 'matrix')) {
    assert.ok(action === 'start' || ['unchanged', null].includes(result), `${action} ${result}`);
  }
});

scenario('No answer tells a hidden name from one that does not exist', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const callers = (await callersFor(agent, talk)).filter((who) => who.secrets.length > 0);
  const foreign = (await agent.done('start', 'goldvault')).id;
  agent.control('goldvault', { stop: 'hang' });
  const hanging = (await agent.accepted('stop', 'goldvault', { reason: 'a secret plan' })).id;
  const nobodys = `${foreign.slice(0, -4)}ZZZZ`;
  // What is left when the one and the other are put out.
  const bare = ({ status, headers, text }, ...names) => {
    const { date, 'content-length': length, etag, ...rest } = headers;
    return names.reduce((all, name) => all.replaceAll(name, '?'), JSON.stringify({ status, rest, text }));
  };
  const compare = async (who, [method, path, body], secret, none) => {
    const put = (name) => [path.replace('@', name), body && JSON.parse(JSON.stringify(body).replace('@', name))];
    const answers = [];
    for (const name of [secret, none]) {
      const [where, what] = put(name);
      answers.push(bare(await who.ask(method, where, { body: what }), secret, none));
    }
    assert.equal(answers[0], answers[1], `${who.words} ${method} ${path} tells ${secret} from ${none}`);
  };
  await each(callers, async (who) => {
    const hiddenService = ['goldvault', 'oakbase', 'smtpsvc'].find((name) => !model.sees(who, name));
    const hiddenGroup = ['treasury', 'grove', 'mailroom'].find((name) => !model.visibleGroups(who).includes(name));
    const withService = [
      ['GET', '/v1/services/@'], ['GET', '/v1/jobs?service=@'], ['GET', '/v1/events?service=@'], ['GET', '/v1/services?q=@'], ['GET', '/v1/services?q=@&state=running'],
      ...actions.flatMap((action) => [['POST', `/v1/services/@/${action}`], ['POST', `/v1/services/@/${action}?dry_run=1`], ['POST', '/v1/jobs', { action, services: ['@'] }]]),
      ['POST', '/v1/jobs?dry_run=1', { action: 'stop', services: ['@'], dependents: 'include' }],
    ];
    const withGroup = [
      ['GET', '/v1/groups/@'], ['GET', '/v1/services?group=@'], ['POST', '/v1/groups/@/restart'], ['POST', '/v1/groups/@/stop?dry_run=1'],
      ['POST', '/v1/jobs', { action: 'start', group: '@' }], ['POST', '/v1/jobs?dry_run=1', { action: 'start', group: '@' }],
    ];
    const withJob = [
      ['GET', '/v1/jobs/@'], ['GET', '/v1/jobs/@?wait=2'], ['POST', '/v1/jobs/@/cancel'], ['POST', '/v1/jobs/@/cancel?wait=2&strict=1'], ['GET', '/v1/events?job=@'],
      ['GET', '/v1/events?job=@&service=nobody'],
    ];
    for (const request of hiddenService ? withService : []) await compare(who, request, hiddenService, 'xyzzyplugh');
    for (const request of hiddenGroup ? withGroup : []) await compare(who, request, hiddenGroup, 'xyzzyplugh');
    if (model.sees(who, 'goldvault')) return;
    for (const request of withJob) {
      await compare(who, request, foreign, nobodys);
      await compare(who, request, hanging, nobodys);
    }
  });
  assert.equal((await agent.job(hanging)).state, 'running', 'nobody has cancelled it');
  agent.control('goldvault', { stop: 'now' });
  await agent.waitJob(hanging);
});

scenario('Another spelling of a name is no way round a glob', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const [keeper, stranger] = await callersFor(agent, talk, [['operator', ['oak*'], []], ['operator', ['smtp*'], []]]);
  const spellings = [
    'OAKLEAF', 'OakLeaf', 'oakleaf%20', '%20oakleaf', 'oakleaf%00', 'oakleaf%2e', 'oakleaf.service', '%2e%2foakleaf', 'smtpsvc%2f..%2foakleaf', 'oakleaf%2f', 'oakleaf;smtpsvc',
    'oakleaf,smtpsvc', '%ef%bd%8fakleaf', 'oak%e2%80%8bleaf', 'oakleaf%0a', 'smtpsvc%00oakleaf', '*', 'oak%2a', 'oakl%65af%3f', '%256fakleaf', "oakleaf'--", 'smtp*', 'oakleaf%09',
  ];
  const mark = agent.life.mark();
  for (const spelling of spellings) {
    for (const [method, path] of [['GET', `/v1/services/${spelling}`], ['POST', `/v1/services/${spelling}/restart`], ['POST', `/v1/services/${spelling}/restart?dry_run=1`], ['GET', `/v1/jobs?service=${spelling}`]]) {
      const answer = await stranger.ask(method, path);
      assert.ok([400, 403, 404, 422].includes(answer.status), `${method} ${path}: ${answer.text}`);
    }
    // Of the same letters in a body there is one reading only.
    const name = decodeURIComponent(spelling);
    const answer = await stranger.ask('POST', '/v1/jobs', { body: { action: 'restart', services: [name] } });
    assert.ok([403, 404, 422].includes(answer.status), `${JSON.stringify(name)}: ${answer.text}`);
  }
  // Encoded letters are the letters.
  for (const spelling of ['oakleaf', '%6fakleaf', '%6F%61%6B%6C%65%61%66']) {
    assert.equal((await keeper.ask('GET', `/v1/services/${spelling}`)).body.name, 'oakleaf');
    assert.equal(got(await stranger.ask('GET', `/v1/services/${spelling}`)), '404 unknown_service');
    assert.equal(got(await stranger.ask('POST', `/v1/services/${spelling}/restart`)), '403 forbidden');
  }
  // The same option twice, or once in each place, is no riddle to be solved in somebody's favour.
  for (const [path, body] of [
    ['/v1/services/smtpsvc/start?dry_run=1&dry_run=0'], ['/v1/services/smtpsvc/restart?dependents=refuse&dependents=include'],
    ['/v1/services/smtpsvc/restart?dependents=refuse', { dependents: 'include' }], ['/v1/services/smtpsvc/start', { services: ['oakleaf'] }],
    ['/v1/services/smtpsvc/start', { action: 'stop' }], ['/v1/services/smtpsvc/start?service=oakleaf'], ['/v1/jobs?dry_run=1', { action: 'start', services: ['smtpsvc'], group: 'grove' }],
    ['/v1/jobs?group=grove', { action: 'start', services: ['smtpsvc'] }], ['/v1/jobs', { action: 'start', services: ['smtpsvc'], dry_run: true }],
  ]) assert.equal(got(await stranger.ask('POST', path, { body })), '422 malformed', `${path} ${JSON.stringify(body)}`);
  assert.deepEqual(agent.life.sentences(mark), []);
});

scenario('Lists, filters, pages, counts and fields show a narrowed caller its own part and no more', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const callers = await callersFor(agent, talk);
  // A history on both sides, and jobs that wait and run where not everybody sees them.
  for (const name of running) for (let i = 0; i < 2; i += 1) await agent.done('start', name, { reason: `about ${name}` });
  agent.control('oaktwig', { stop: 'hang' });
  const hanging = (await agent.accepted('stop', 'oaktwig')).id;
  // Both named: what it touches does not hang on how far the other job is.
  const waiting = (await agent.api.post('/v1/jobs', { action: 'restart', services: ['oakleaf', 'oaktwig'], dependents: 'include' })).body.id;
  await agent.untilState('oaktwig', 'stop_pending');
  const everything = (await agent.api.get('/v1/jobs?limit=1000')).body.items;
  // All that a job touches is in these fields; what waits has no steps yet.
  const touched = (j) => (j.id === waiting ? ['oakleaf', 'oaktwig'] : [...j.services, ...j.steps.map((s) => s.service)]);
  const states = await agent.states();

  const pages = async (who, path, limit) => {
    const items = [];
    for (let token = null, n = 0; n < 100; n += 1) {
      const more = token === null ? '' : `&page_token=${encodeURIComponent(token)}`;
      const { status, body, text } = await who.ask('GET', `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${more}`);
      assert.equal(status, 200, text);
      items.push(...body.items);
      token = body.next_page_token;
      if (token === null) return items;
      assert.equal(body.items.length, limit, 'a page is full where there is another');
      const decoded = Buffer.from(token, 'base64url').toString('latin1');
      for (const secret of who.secrets) assert.ok(!decoded.includes(secret), `${path}: ${decoded}`);
    }
    throw new Error(`${path} has no end`);
  };
  await each(callers, async (who) => {
    const own = model.visible(who);
    const jobs = everything.filter((j) => touched(j).every((name) => model.sees(who, name))).map((j) => j.id);
    for (const limit of [1, 3, 1000]) {
      assert.deepEqual((await pages(who, '/v1/services', limit)).map((s) => s.name), own, who.words);
      assert.deepEqual((await pages(who, '/v1/jobs', limit)).map((j) => j.id), jobs, who.words);
    }
    for (const service of (await who.ask('GET', '/v1/services?limit=1000')).body.items) {
      const only = (names) => names.filter((name) => model.sees(who, name)).sort();
      assert.deepEqual(service.depends_on, only(model.services[service.name].needs));
      assert.deepEqual(service.dependents, only(model.names.filter((name) => model.services[name].needs.includes(service.name))));
      assert.deepEqual([...service.groups].sort(), Object.keys(model.groups).filter((g) => model.groups[g].includes(service.name)).sort());
      const at = { oaktwig: hanging, oakleaf: waiting }[service.name] ?? null;
      assert.equal(service.job, jobs.includes(at) ? at : null, `${who.words} ${service.name}`);
      const one = await who.ask('GET', `/v1/services/${service.name}`);
      assert.deepEqual({ ...one.body, since_progress_ms: 0 }, { ...service, since_progress_ms: 0 });
    }
    for (const state of new Set(Object.values(states))) {
      assert.deepEqual((await pages(who, `/v1/services?state=${state}`, 1)).map((s) => s.name), own.filter((name) => states[name] === state));
    }
    for (const q of ['*', 'oak*', '*s*', 'goldvault', '????svc']) {
      const fits = new RegExp(`^${q.replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
      assert.deepEqual((await pages(who, `/v1/services?q=${encodeURIComponent(q)}`, 1)).map((s) => s.name), own.filter((name) => fits.test(name)));
    }
    for (const [group, members] of Object.entries(model.groups)) {
      const filtered = await who.ask('GET', `/v1/services?group=${group}`);
      const alone = await who.ask('GET', `/v1/groups/${group}`);
      if (!model.visibleGroups(who).includes(group)) {
        assert.deepEqual([got(filtered), got(alone)], ['404 unknown_group', '404 unknown_group']);
        continue;
      }
      const mine = members.filter((name) => own.includes(name));
      assert.deepEqual([filtered.body.items.map((s) => s.name).sort(), alone.body.services, alone.body.missing], [[...mine].sort(), mine, []]);
      assert.equal(Object.values(alone.body.states).reduce((a, b) => a + b), mine.length, 'nobody else is counted');
    }
    assert.deepEqual((await who.ask('GET', '/v1/groups')).body.items.map((g) => g.name).sort(), model.visibleGroups(who).sort());
    // What the agent asked for as it began was about what it found then.
    const asked = (j) => j.requested_by !== 'agent';
    for (const name of own) {
      assert.deepEqual((await pages(who, `/v1/jobs?service=${name}`, 2)).filter(asked).map((j) => j.id),
        everything.filter((j) => asked(j) && jobs.includes(j.id) && touched(j).includes(name)).map((j) => j.id), `${who.words} ${name}`);
    }
    for (const filter of ['state=done', 'state=queued', 'action=start', 'result=unchanged', 'since=2020-01-01T00:00:00Z']) {
      const [key, value] = filter.split('=');
      assert.deepEqual((await pages(who, `/v1/jobs?${filter}`, 2)).map((j) => j.id),
        everything.filter((j) => jobs.includes(j.id) && (key === 'since' || j[key] === value)).map((j) => j.id), `${who.words} ${filter}`);
    }
    const self = (await who.ask('GET', '/v1/agent')).body;
    assert.deepEqual(self.services, { total: own.length, up: own.filter((name) => states[name] !== 'stopped').length, complete: true }, who.words);
    assert.deepEqual(self.jobs, { queued: Number(jobs.includes(waiting)), running: Number(jobs.includes(hanging)) }, who.words);
    assert.deepEqual(self.credential, { name: `token:${who.name}`, role: who.role, services: who.globs, actions: who.actions });
    for (const j of everything) assert.equal((await who.ask('GET', `/v1/jobs/${j.id}`)).status, jobs.includes(j.id) ? 200 : 404);
    // As text it is the same.
    const plain = { headers: { accept: 'text/plain' } };
    for (const path of ['/v1/services', '/v1/jobs', '/v1/groups', '/v1/hold']) assert.equal((await who.ask('GET', path, plain)).status, 200);
  }, 4);
  agent.control('oaktwig', { stop: 'now' });
  await agent.waitJob(waiting);
});

scenario('An Idempotency-Key, a cancel and a job belong to whom they belong to', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const [one, two, narrow, starter, viewer] = await callersFor(agent, talk,
    [['operator', [], []], ['operator', [], []], ['operator', ['smtp*'], []], ['operator', [], ['start']], ['viewer', [], []]]);
  const key = { headers: { 'idempotency-key': 'deploy-4711' } };
  const first = await one.ask('POST', '/v1/services/oakleaf/start?wait=20', key);
  assert.equal((await one.ask('POST', '/v1/services/oakleaf/start?wait=20', key)).body.id, first.body.id);
  const second = await two.ask('POST', '/v1/services/oakleaf/start?wait=20', key);
  assert.notEqual(second.body.id, first.body.id, 'the same key of somebody else is another key');
  assert.equal(second.headers['idempotency-replayed'], undefined);
  assert.equal(got(await narrow.ask('POST', '/v1/services/oakleaf/start', key)), '403 forbidden', 'a foreign key opens nothing');
  assert.equal(got(await viewer.ask('POST', '/v1/services/oakleaf/start', key)), '403 forbidden');
  // A refused request uses no key up.
  assert.equal((await narrow.ask('POST', '/v1/services/smtpsvc/start?wait=20', key)).status, 200);

  agent.control('oaktwig', { stop: 'hang' });
  const { body: hanging } = await one.ask('POST', '/v1/services/oaktwig/stop');
  await agent.untilState('oaktwig', 'stop_pending');
  for (const [who, right] of [[viewer, '403 forbidden'], [narrow, '404 unknown_job'], [starter, '403 forbidden']]) {
    for (const options of ['', '?wait=1', '?strict=1&wait=1', '?dry_run=1']) {
      const answer = await who.ask('POST', `/v1/jobs/${hanging.id}/cancel${options}`);
      assert.ok(got(answer) === right || (options === '?dry_run=1' && got(answer) === '422 malformed'), `${who.words}: ${answer.text}`);
    }
  }
  assert.equal((await agent.job(hanging.id)).state, 'running');
  assert.equal((await two.ask('POST', `/v1/jobs/${hanging.id}/cancel`)).status, 202, 'whoever may do it may cancel it');
  agent.control('oaktwig', { stop: 'now' });
  const done = await agent.waitJob(hanging.id);
  assert.deepEqual([done.cancelled_by, done.requested_by], ['token:c1', 'token:c0']);
});

scenario('Events come to whom the resource would be shown, and end with the credential', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const callers = await callersFor(agent, talk, kinds.filter(([, globs]) => globs.length === 0 || globs.some((g) => /oak|smtp|gold/i.test(g))));
  const streams = [];
  for (const who of callers) {
    const client = agent.as(who.token);
    streams.push({ who, stream: await EventStream.open(client) });
  }
  const jobs = [];
  for (const [action, name] of [['restart', 'oakleaf'], ['restart', 'goldvault'], ['restart', 'smtpsvc'], ['start', 'oakbase']]) {
    jobs.push(await agent.done(action, name, { dependents: 'include', reason: `for ${name}` }));
  }
  const touched = (j) => [...j.services, ...j.steps.map((s) => s.service)];
  await Promise.all(streams.map(async ({ who, stream }) => {
    const mine = jobs.filter((j) => touched(j).every((name) => model.sees(who, name))).map((j) => j.id);
    for (const id of mine) await stream.until((e) => e.event === 'job' && e.data.id === id && e.data.state === 'done', `${who.words} hears of ${id}`);
    for (const e of stream.events) {
      const text = JSON.stringify(e);
      for (const secret of who.secrets) assert.ok(!text.includes(secret), `${who.words} heard ${text}`);
      if (e.event === 'job') assert.ok(mine.includes(e.data.id), text);
      if (e.event === 'service') assert.ok(model.sees(who, e.data.name), text);
    }
    // From the beginning again, with the id of somebody who saw all.
    stream.close();
  }));
  const narrowed = callers.find((who) => who.globs.includes('smtp*') && who.role === 'operator');
  const again = await EventStream.open(agent.as(narrowed.token), { lastEventId: streams[0].stream.events[0].id });
  await again.until((e) => e.event === 'job' && e.data.state === 'done' && e.data.services[0] === 'smtpsvc', 'what came before is told again');
  for (const e of again.events) for (const secret of narrowed.secrets) assert.ok(!JSON.stringify(e).includes(secret));
  await local(agent, { do: 'token.revoke', name: narrowed.name });
  await agent.done('start', 'smtpsvc');
  await again.until(() => false, 'anything').catch((error) => assert.match(error.message, /ended before/, 'a stream ends when its token is revoked'));
  const last = jobs.at(-1).id;
  assert.ok(!again.events.some((e) => e.event === 'job' && e.data.id > last && e.data.action === 'start'), 'nothing after it was revoked');
});

scenario('The trail is whole and for admins, and says what the caller was not told', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const [oper, viewer, admin] = await callersFor(agent, talk, [['operator', ['oakbase', 'oakleaf'], []], ['viewer', [], []], ['admin', [], []]]);
  const refused = await oper.ask('POST', '/v1/services/oakbase/restart?dependents=include');
  assert.equal(got(refused), '403 forbidden');
  assert.equal(refused.body.service, null);
  assert.equal(got(await oper.ask('POST', '/v1/groups/grove/restart')), '403 forbidden', 'a group of which it sees a part');
  for (const who of [oper, viewer]) {
    for (const path of ['/v1/audit', '/v1/audit?principal=token:c0', '/v1/audit?limit=1', '/v1/audit?event=job.refused']) assert.equal(got(await who.ask('GET', path)), '403 forbidden');
  }
  const rowsOfIt = (await admin.ask('GET', '/v1/audit?principal=token:c0&event=job.refused')).body.items;
  assert.equal(rowsOfIt.length, 2);
  for (const row of rowsOfIt) assert.match(row.detail, /oaktwig/, 'an admin reads what it was about');
  const denied = (await admin.ask('GET', '/v1/audit?event=denied')).body.items;
  assert.ok(denied.some((row) => row.principal === 'token:c1') && denied.some((row) => row.principal === 'token:c0'));
});

scenario('The hold is set by an admin and released by nobody over the network', async (agent) => {
  await agent.untilRunning(...running);
  const talk = new Talk(agent);
  const callers = await callersFor(agent, talk);
  for (const who of callers) {
    for (const [method, path, body] of [['PUT', '/v1/hold', { reason: 'x' }], ['POST', '/v1/hold?reason=x', undefined], ['POST', '/v1/hold?on=1', undefined]]) {
      const answer = await who.ask(method, path, { body });
      assert.equal(answer.status, who.role === 'admin' ? 200 : 403, `${who.words} ${method} ${path}`);
    }
    assert.equal((await who.ask('GET', '/v1/hold')).body.on, callers.indexOf(who) >= 2);
    for (const [method, path, body] of [['PUT', '/v1/hold', { on: false }], ['POST', '/v1/hold?on=0', undefined], ['POST', '/v1/hold?on=no', undefined], ['PUT', '/v1/hold?on=false', undefined]]) {
      const headers = { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1', 'x-local-user': 'root' };
      assert.equal(got(await who.ask(method, path, { body, headers })), '403 forbidden', `${who.words} ${method} ${path}`);
    }
  }
  assert.equal((await callers[2].ask('GET', '/v1/hold')).body.on, true);
  assert.equal(got(await callers[2].ask('POST', '/v1/services/smtpsvc/start')), '409 held');
  await agent.run('hold', 'off', '--config', agent.settings);
  assert.equal((await callers[2].ask('GET', '/v1/hold')).body.on, false);
});

scenario('An admin cannot be narrowed, since the trail and the hold know no services', async (agent) => {
  for (const narrowing of [['--service', 'smtp*'], ['--action', 'restart']]) {
    await assert.rejects(agent.token('narrow-admin', '--role', 'admin', ...narrowing), /cannot be narrowed/);
  }
  const log = readFileSync(agent.log, 'utf8');
  assert.ok(!/nf_[A-Za-z0-9_-]{43}/.test(log), 'no token is in the log');
});

// ---- the same with client certificates: dns:cN.example.org is the Nth of `kinds`

const list = (key, values) => (values.length > 0 ? `${key} = ${JSON.stringify(values)}\n` : '');
const withCertificates = {
  prepare: (agent) => {
    agent.authority = new Authority(`${agent.dir}/ca`);
    writeFileSync(`${agent.dir}/trusted.pem`, agent.authority.pem, { mode: 0o600 });
  },
  adapt: (text) => `${text}\n[tls]\nclient_ca = "\${DIR}/trusted.pem"\n${kinds.map(([role, globs, narrowedTo], i) =>
    `[[client]]\nsan = "dns:c${i}.example.org"\nrole = "${role}"\n${list('services', globs)}${list('actions', narrowedTo)}`).join('\n')}`,
};
const holderOf = (agent, i, more) => agent.authority.issue(`c${i}.example.org`, more);

scenario('A certificate opens what its [[client]] says and no more; a bad one nothing', async (agent) => {
  await agent.untilRunning(...running);
  const { id: ended } = await agent.done('start', 'oakleaf');
  const day = 86_400_000;
  const all = operations();
  const other = new Authority(`${agent.dir}/other`);
  const good = holderOf(agent, 2);
  const adminToken = await newToken(agent, 'boss', ['admin', [], []]);
  const viewerToken = await newToken(agent, 'dashboard', ['viewer', [], []]);
  const broken = {
    'another CA': [other.issue('c2.example.org')], 'not listed': [agent.authority.issue('c99.example.org')],
    expired: [holderOf(agent, 2, { from: Date.now() - 3 * day, to: Date.now() - day })], 'not yet valid': [holderOf(agent, 2, { from: Date.now() + day, to: Date.now() + 3 * day })],
    'a server certificate': [holderOf(agent, 2, { usage: 'serverAuth' })], 'a common name alone': [agent.authority.issue('c2.example.org', { sans: [] })],
    'a wildcard': [agent.authority.issue('x', { sans: ['DNS:*.example.org'] })], 'two that differ': [agent.authority.issue('x', { sans: ['DNS:c2.example.org', 'DNS:c0.example.org'] })],
    "the agent's own": [{ cert: readFileSync(`${agent.state}/tls/server.pem`, 'utf8'), key: readFileSync(`${agent.state}/tls/server.key`, 'utf8') }],
    'a good one beside an unknown token': [good, `Bearer nf_${'A'.repeat(43)}`], 'a good one beside an empty header': [good, ''], 'a good one beside another scheme': [good, 'Basic YTpi'],
    none: [undefined],
  };
  const talks = Object.entries(broken).map(([kind, [identity, authorization]]) => ({ kind, talk: new Talk(agent, identity), authorization }));
  await each(talks.flatMap((one, k) => all.map((operation, i) => ({ ...one, operation, from: `127.3.${k}.${1 + (i >> 3)}` }))), async ({ kind, talk, authorization, operation, from }) => {
    const { path, body } = rowOf(operation, ended);
    const answer = await talk.ask(operation.method, path, { authorization, body, from });
    assert.equal(got(answer), rank[operation.role] === 0 ? '200 undefined' : '401 unauthorized', `${operation.id} with ${kind}`);
    if (rank[operation.role] > 0) for (const secret of [...model.names, ...Object.keys(model.groups)]) assert.ok(!answer.text.includes(secret), answer.text);
  });
  // Both at once: the header alone decides, for better and for worse.
  const unknown = new Talk(agent, other.issue('c2.example.org'));
  const known = new Talk(agent, good);
  for (const talk of [unknown, known]) {
    assert.equal((await talk.ask('GET', '/v1/audit', { authorization: `Bearer ${adminToken}` })).status, 200);
    assert.equal(got(await talk.ask('GET', '/v1/audit', { authorization: `Bearer ${viewerToken}` })), '403 forbidden');
    assert.equal((await talk.ask('GET', '/v1/agent', { authorization: `Bearer ${viewerToken}` })).body.credential.name, 'token:dashboard');
  }
  const bare = await known.ask('POST', '/v1/services/oakleaf/start', { headers: { 'content-type': 'text/plain' } });
  assert.equal(got(bare), '415 unsupported_media_type', 'what a page of another site could have sent');
  assert.equal(got(await known.ask('POST', '/v1/services/oakleaf/start', { headers: { 'sec-fetch-site': 'cross-site' } })), '403 forbidden');

  const callers = kinds.map((kind, i) => new Caller(new Talk(agent, holderOf(agent, i)), `c${i}`, kind));
  await each(all.flatMap((operation) => callers.map((who) => ({ operation, who }))), async ({ operation, who }) => {
    const { path, body, done } = rowOf(operation, ended);
    const right = rank[who.role] >= rank[operation.role] ? done(who) : '403 forbidden';
    assert.equal(got(await who.ask(operation.method, path, { body })), right, `${operation.id} as ${who.words}`);
  });
  const mark = agent.life.mark();
  const targets = [...model.names.map((name) => ({ names: [name] })), ...Object.keys(model.groups).map((group) => ({ group }))];
  await each(callers.flatMap((who) => targets.flatMap((target) => actions.map((action) => ({ who, action, ...target, consent: true, reason: true })))), async (request) => {
    const { who, action, names, group } = request;
    const base = group ? `/v1/groups/${group}/${action}` : `/v1/services/${names[0]}/${action}`;
    const body = { dependents: 'include', reason: 'matrix' };
    const what = `${who.words} ${action} ${names ?? group}`;
    const right = model.job(who, request);
    if (right.status !== 202) assert.equal(got(await who.ask('POST', base, { body })), expected(right), what);
    const dry = await who.ask('POST', `${base}?dry_run=1`, { body });
    const planned = model.job(who, { ...request, dry: true });
    assert.equal(got(dry), expected(planned), what);
    if (planned.would) assert.deepEqual([dry.body.would_answer.status, dry.body.would_answer.code], [planned.would.status, planned.would.code], what);
  });
  assert.deepEqual(agent.life.sentences(mark), [], 'nothing was done to any service');
  for (const who of callers) {
    assert.deepEqual((await who.ask('GET', '/v1/services')).body.items.map((s) => s.name), model.visible(who));
    assert.equal((await who.ask('GET', '/v1/agent')).body.credential.name, `cert:dns:${who.name}.example.org`);
  }
}, withCertificates);

test('A [[client]] that is an admin cannot be narrowed either', { timeout: seconds(60) }, async () => {
  const dir = mkdtempSync(path.join(realpathSync(tmpdir()), 'noforce-matrix-'));
  try {
    for (const narrowing of ['services = ["smtp*"]', 'actions = ["restart"]']) {
      writeFileSync(`${dir}/settings.toml`, `[[client]]\nsan = "dns:x.example.org"\nrole = "admin"\n${narrowing}\n`, { mode: 0o600 });
      await assert.rejects(promisify(execFile)(program, ['check-config', `${dir}/settings.toml`]), (error) => /cannot be narrowed/.test(error.stdout + error.stderr));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
