// An HTTPS client that keeps its connections, knows the agent's CA and one credential (a token, a
// certificate, or both), and lets the contract judge each answer.
import https from 'node:https';
import { seconds } from './time.mjs';

export class Client {
  // token: null sends none. identity: { cert, key }, PEM, a client certificate.
  constructor({ address, ca, token, contract, sockets = 32, identity = {} }) {
    [this.host, this.port] = address.split(':');
    this.ca = ca;
    this.token = token;
    this.contract = contract;
    this.identity = { cert: identity.cert, key: identity.key };
    this.pool = new https.Agent({ keepAlive: true, maxSockets: sockets, ca, ...this.identity });
  }

  // The same agent with another credential.
  as(token, identity) {
    return new Client({ address: `${this.host}:${this.port}`, ca: this.ca, token, contract: this.contract, identity });
  }

  close() {
    this.pool.destroy();
  }

  headers(more = {}) {
    return { ...(this.token ? { authorization: `Bearer ${this.token}` } : {}), ...more };
  }

  // { status, headers, text, body }; body is parsed JSON, undefined for anything else. An object
  // given as `body` is sent as JSON.
  async request(method, path, { body, headers = {}, within = 120 } = {}) {
    const sent = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const more = { ...headers };
    if (sent !== undefined && typeof body !== 'string') more['content-type'] ??= 'application/json';
    if (sent !== undefined) more['content-length'] = Buffer.byteLength(sent);
    const answer = await this.exchange(method, path, sent, this.headers(more), within);
    this.contract?.checkAnswer({ method, path, ...answer });
    return answer;
  }

  exchange(method, path, sent, headers, within) {
    return new Promise((resolve, reject) => {
      const request = https.request(
        { host: this.host, port: this.port, agent: this.pool, method, path, headers, timeout: seconds(within) },
        (response) => {
          const parts = [];
          response.on('data', (part) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8');
            const json = /json\b/.test(response.headers['content-type'] ?? '');
            let body;
            try {
              body = json && text !== '' ? JSON.parse(text) : undefined;
            } catch (error) {
              reject(new Error(`${method} ${path}: broken JSON: ${error.message}\n${text}`));
              return;
            }
            resolve({ status: response.statusCode, headers: response.headers, text, body });
          });
        },
      );
      request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer within ${within} s`)));
      request.on('error', (error) => {
        // The agent closed an idle connection just as it was taken from the pool.
        if (error.code === 'ECONNRESET' && request.reusedSocket && method === 'GET') {
          this.exchange(method, path, sent, headers, within).then(resolve, reject);
        } else {
          reject(error);
        }
      });
      request.end(sent);
    });
  }

  get(path, options) {
    return this.request('GET', path, options);
  }

  post(path, body, options = {}) {
    return this.request('POST', path, { body, ...options });
  }
}
