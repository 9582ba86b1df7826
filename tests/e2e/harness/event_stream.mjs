// A reader of /v1/events. Keeps all that came; a test waits for what it looks for.
import https from 'node:https';
import { within } from './time.mjs';

export class EventStream {
  // query: "job=01J..." ; lastEventId: resume after that one.
  static async open(client, { query = '', lastEventId } = {}) {
    const stream = new EventStream(client);
    await within(10, 'the event stream opens', stream.connect(query, lastEventId));
    return stream;
  }

  constructor(client) {
    this.client = client;
    this.events = []; // { id, event, data }, data parsed
    this.lastId = undefined; // what to come back with
    this.comments = 0; // heartbeats
    this.waiting = new Set();
    this.error = null;
    this.ended = false;
  }

  connect(query, lastEventId) {
    return new Promise((resolve, reject) => {
      const { client } = this;
      const path = `/v1/events${query ? `?${query}` : ''}`;
      const headers = client.headers({
        accept: 'text/event-stream',
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      });
      // A connection of its own: it is going to be broken.
      this.request = https.request({ host: client.host, port: client.port, ca: client.ca, ...client.identity, agent: false, path, headers }, (response) => {
        this.status = response.statusCode;
        this.headers = response.headers;
        if (response.statusCode !== 200) {
          response.resume();
          reject(new Error(`GET ${path} -> ${response.statusCode}`));
          return;
        }
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (text) => {
          rest += text;
          const blocks = rest.split(/\r?\n\r?\n/);
          rest = blocks.pop();
          for (const block of blocks) this.take(block);
        });
        response.on('error', () => this.finish());
        response.on('close', () => this.finish());
        resolve();
      });
      this.request.on('error', (error) => {
        reject(error);
        this.finish();
      });
      this.request.end();
    });
  }

  take(block) {
    const event = { id: undefined, event: 'message', data: '' };
    let fields = 0;
    for (const line of block.split(/\r?\n/)) {
      const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === '') this.comments += 1;
      else if (name === 'data') event.data += (event.data === '' ? '' : '\n') + value;
      else if (name === 'id' || name === 'event') event[name] = value;
      if (name === 'event' || name === 'data') fields += 1;
    }
    if (event.id !== undefined) this.lastId = event.id;
    if (fields === 0) return; // a comment, or an id alone: the place in the stream
    try {
      event.data = event.data === '' ? null : JSON.parse(event.data);
      if (event.event === 'job') this.client.contract?.checkSchema('Job', event.data, 'event job');
      if (event.event === 'service') this.client.contract?.checkSchema('Service', event.data, 'event service');
      if (event.event === 'gap') this.client.contract?.checkSchema('Gap', event.data, 'event gap');
      if (!['job', 'service', 'gap'].includes(event.event)) throw new Error(`unknown event '${event.event}'`);
    } catch (error) {
      this.error ??= error;
    }
    this.events.push(event);
    this.wake();
  }

  finish() {
    this.ended = true;
    this.wake();
  }

  wake() {
    for (const look of [...this.waiting]) look();
  }

  // The first event, of those that came and those that will, that fits.
  until(fits, what, limit = 30) {
    return within(limit, what, new Promise((resolve, reject) => {
      let next = 0;
      const look = () => {
        if (this.error) return done(reject, this.error);
        for (; next < this.events.length; next += 1) {
          if (fits(this.events[next])) return done(resolve, this.events[next]);
        }
        if (this.ended) done(reject, new Error(`the event stream ended before: ${what}`));
      };
      const done = (settle, value) => {
        this.waiting.delete(look);
        settle(value);
      };
      this.waiting.add(look);
      look();
    }));
  }

  // Breaks the connection, as a network does.
  close() {
    this.request.destroy();
  }
}
