// Bytes to the agent's port exactly as a test wants them, with no HTTP library between, and what
// came back.
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { within } from './time.mjs';

// Text as it is written in a table to the bytes it means: each character below U+0100 is one byte.
export const bytes = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1'));

// A socket that can be written to beneath TLS, and whose writes can be cut into pieces.
class Wire extends Duplex {
  constructor(socket, pieceSize) {
    super();
    this.socket = socket;
    this.pieceSize = pieceSize;
    // What came is handed on before the end is, however the end came.
    let over = false;
    const end = () => {
      if (!over) this.push(null);
      over = true;
    };
    socket.on('data', (data) => this.push(data));
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', end);
    this.on('error', () => {});
  }
  _read() {}
  _write(data, _, done) {
    const size = this.pieceSize ?? data.length;
    for (let at = 0; at < data.length; at += size) this.socket.write(data.subarray(at, at + size));
    done();
  }
  _final(done) {
    this.socket.end();
    done();
  }
  _destroy(error, done) {
    this.socket.destroy();
    done(error);
  }
}

function connectTcp(agent, from) {
  const [host, port] = agent.address.split(':');
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: Number(port), localAddress: from, noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

// What a client says first, as bytes.
export function clientHello(options = {}) {
  return new Promise((resolve) => {
    const silent = new Duplex({
      read() {},
      write(data, _, done) {
        resolve(data);
        done();
      },
    });
    tls.connect({ socket: silent, servername: 'localhost', ...options }).on('error', () => {});
  });
}

export class Raw {
  // `from`: the client's address, any of 127.0.0.0/8.
  static async tcp(agent, { from } = {}) {
    const socket = await connectTcp(agent, from);
    return new Raw(socket, socket);
  }

  // After the handshake; rejects when there is none. `pieces`: at most so many bytes a write.
  // `options`: of tls.connect.
  static async tls(agent, { from, pieces, limit = 30, ...options } = {}) {
    const tcp = await connectTcp(agent, from);
    try {
      return await within(limit, 'the TLS handshake', new Promise((resolve, reject) => {
        const secure = tls.connect({ socket: new Wire(tcp, pieces), ca: agent.ca, servername: 'localhost', ...options });
        secure.once('secureConnect', () => {
          secure.off('error', reject);
          resolve(new Raw(secure, tcp));
        });
        secure.once('error', reject);
        secure.once('close', () => reject(new Error('closed in the handshake')));
      }));
    } catch (error) {
      tcp.destroy();
      throw error;
    }
  }

  // `socket`: what is spoken on; `below`: the TCP connection beneath.
  constructor(socket, below) {
    this.socket = socket;
    this.below = below;
    this.received = Buffer.alloc(0);
    this.ended = false;
    this.error = null;
    this.wakes = new Set();
    const end = () => {
      this.ended = true;
      this.wake();
    };
    socket.on('data', (data) => {
      this.received = Buffer.concat([this.received, data]);
      this.wake();
    });
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', (error) => {
      this.error = error;
      end();
    });
  }

  wake() {
    for (const wake of this.wakes) wake();
  }

  send(text) {
    if (!this.socket.writableEnded && !this.socket.destroyed) this.socket.write(bytes(text));
  }

  // Beneath TLS.
  sendBelow(text) {
    if (!this.below.destroyed) this.below.write(bytes(text));
  }

  // Our side is done; the other may still answer.
  end() {
    this.socket.end();
  }

  // Without a goodbye: RST.
  reset() {
    this.below.resetAndDestroy();
  }

  destroy() {
    this.socket.destroy();
    this.below.destroy();
  }

  // What `look` finds in what came so far, once it finds something or nothing more can come.
  async until(look, limit, what) {
    let found = look();
    if (found !== undefined) return found;
    let wake;
    const came = new Promise((resolve) => {
      wake = () => {
        if (found !== undefined) return; // what was found is taken
        found = look();
        if (found !== undefined) resolve();
      };
      this.wakes.add(wake);
    });
    try {
      await within(limit, what, came);
    } finally {
      this.wakes.delete(wake);
    }
    return found;
  }

  // The next answer { status, headers, text }, or null where the connection ended without one. A
  // chunked one is given back after its head; one without a length ends with the connection. `bodiless`: the answer to a HEAD.
  answer({ limit = 10, bodiless = false } = {}) {
    return this.until(() => {
      const end = this.received.indexOf('\r\n\r\n');
      if (end < 0) return this.ended ? null : undefined;
      const [first, ...lines] = this.received.subarray(0, end).toString('latin1').split('\r\n');
      const headers = {};
      for (const line of lines) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        headers[name] = (name in headers ? `${headers[name]}, ` : '') + line.slice(colon + 1).trim();
      }
      const toItsEnd = !bodiless && headers['content-length'] === undefined && headers['transfer-encoding'] === undefined && headers.connection === 'close';
      if (toItsEnd && !this.ended) return undefined;
      const size = toItsEnd ? this.received.length - end - 4 : bodiless ? 0 : Number(headers['content-length'] ?? 0);
      if (this.received.length < end + 4 + size) return this.ended ? null : undefined;
      const text = this.received.subarray(end + 4, end + 4 + size).toString('utf8');
      const head = this.received.subarray(0, end).toString('latin1');
      this.received = this.received.subarray(end + 4 + size);
      return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]), headers, head, text };
    }, limit, 'an answer, or the end of the connection');
  }

  // Until the other end has closed; what it still said before is in `received`.
  closed(limit = 10) {
    return this.until(() => (this.ended ? true : undefined), limit, 'the agent closes the connection');
  }
}

