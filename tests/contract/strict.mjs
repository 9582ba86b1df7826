// The contract, read as strictly as it can be: no field may come that it does not name.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { Contract } from '../e2e/harness/contract.mjs';
import { Client } from '../e2e/harness/index.mjs';

export const document = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'));

export function strictContract() {
  const strict = structuredClone(document);
  for (const schema of Object.values(strict.components.schemas)) {
    if (schema.type === 'object') schema.additionalProperties = false;
  }
  return new Contract(strict);
}

// A client that notes which operation gave which status, and lets the strict contract judge.
export class NotingClient extends Client {
  static of(agent, seen, token = agent.api.token) {
    const client = new NotingClient({ address: agent.address, ca: agent.ca, token, contract: strictContract() });
    client.seen = seen;
    agent.clients.push(client);
    return client;
  }

  async request(method, path, options) {
    const answer = await super.request(method, path, options);
    const found = this.contract.paths.find((p) => p.pattern.test(path.split('?')[0]));
    const operation = found && document.paths[found.path][method.toLowerCase()];
    if (operation) this.seen?.add(`${operation.operationId} ${answer.status}`);
    return answer;
  }
}

// [{ path, method, id, role }]
export function operations() {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      path, method: method.toUpperCase(), id: operation.operationId, role: operation['x-role'],
    })));
}
