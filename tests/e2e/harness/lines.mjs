// Connections to the test services: one line out, one line back, in order.
import net from 'node:net';

export class Lines {
  // where: { port } or { path }. Rejects when nobody listens.
  static open(where) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: '127.0.0.1', ...where });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Lines(socket)));
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.waiting = [];
    let rest = '';
    socket.setNoDelay(true);
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) this.waiting.shift()?.resolve(line);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.fail());
    socket.on('end', () => this.fail());
  }

  fail() {
    this.closed = true;
    for (const one of this.waiting.splice(0)) one.reject(new Error('the service closed the connection'));
  }

  ask(line) {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(new Error('the service closed the connection'));
        return;
      }
      this.waiting.push({ resolve, reject });
      this.socket.write(`${line}\n`);
    });
  }

  close() {
    this.socket.destroy();
  }
}

// One question on a connection of its own.
export async function askOnce(where, line) {
  const lines = await Lines.open(where);
  try {
    return await lines.ask(line);
  } finally {
    lines.close();
  }
}
