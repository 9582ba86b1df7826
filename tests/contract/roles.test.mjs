// Every operation of openapi.yaml with every kind of credential: x-role is what counts.
import assert from 'node:assert/strict';
import https from 'node:https';
import { scenarios } from '../e2e/harness/index.mjs';
import { operations } from './strict.mjs';

const scenario = scenarios(import.meta.url);
const rank = { none: 0, viewer: 1, operator: 2, admin: 3 };
const bodies = { createJob: { action: 'start', services: ['leaf'] }, setHold: { reason: 'the matrix' }, putOnHold: { reason: 'the matrix' } };

// The status alone: a stream has no end to wait for.
function status(agent, token, method, path, body) {
  return new Promise((resolve, reject) => {
    const text = body && JSON.stringify(body);
    const headers = {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(text ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}),
    };
    const [host, port] = agent.address.split(':');
    const request = https.request({ host, port, ca: agent.ca, agent: false, method, path, headers }, (response) => {
      resolve(response.statusCode);
      response.destroy();
    });
    request.on('error', reject);
    request.end(text);
  });
}

scenario('Each operation answers the role that it names, and nobody below', async (agent) => {
  await agent.untilRunning('base', 'leaf');
  const { id } = await agent.done('start', 'leaf');
  const revoked = await agent.token('gone', '--role', 'admin');
  await agent.run('token', 'revoke', 'gone', '--config', agent.settings);
  const callers = [
    ['no token', null, 0], ['an unknown token', `nf_${'A'.repeat(43)}`, 0], ['a revoked admin token', revoked, 0],
    ['a viewer', await agent.token('viewer', '--role', 'viewer'), 1],
    ['an operator', await agent.token('oper', '--role', 'operator'), 2],
    ['an admin', await agent.token('boss', '--role', 'admin'), 3],
  ];
  // The hold comes last: nothing is accepted after it.
  const all = operations().sort((a, b) => /old$/i.test(a.id) - /old$/i.test(b.id));
  assert.ok(all.length >= 20);
  for (const operation of all) {
    const path = operation.path.replace('{id}', id).replace('{action}', 'start')
      .replace('{name}', operation.path.includes('groups') ? 'tree' : 'leaf');
    for (const [who, token, has] of callers) {
      const got = await status(agent, token, operation.method, path, bodies[operation.id]);
      const what = `${operation.id} as ${who}: ${got}`;
      const needs = rank[operation.role];
      if (needs > 0 && has === 0) assert.ok(got === 401 || got === 429, what);
      else if (has < needs) assert.equal(got, 403, what);
      else assert.ok(![401, 403, 429].includes(got) && got < 500, what);
    }
  }
  await agent.run('hold', 'off', '--config', agent.settings);
});
