// What the test services write about themselves (tests/services/common/life.hpp), in the order in
// which it happened.
import { readFileSync, watch, writeFileSync } from 'node:fs';
import { within } from './time.mjs';

export class Life {
  constructor(file) {
    this.file = file;
    writeFileSync(file, '', { flag: 'a' });
  }

  // [{ at, name, pid, event }]; `at` is the monotonic clock in milliseconds.
  all() {
    return readFileSync(this.file, 'utf8').split('\n').filter(Boolean).map((line) => {
      const [at, name, pid, ...event] = line.split(' ');
      return { at: Number(at), name, pid: Number(pid), event: event.join(' ') };
    });
  }

  of(name, event) {
    return this.all().filter((e) => e.name === name && (event === undefined || e.event === event));
  }

  // What to hand to since(): a place in the record.
  mark() {
    return this.all().length;
  }

  since(mark) {
    return this.all().slice(mark);
  }

  // "antispam end", "smtpsvc stop", ... after the mark.
  sentences(mark = 0) {
    return this.since(mark).map((e) => `${e.name} ${e.event}`);
  }

  // Waits until "NAME EVENT" stands behind the mark; that entry.
  until(sentence, mark = 0, limit = 30) {
    let watcher;
    return within(limit, `'${sentence}' in ${this.file}`, new Promise((resolve, reject) => {
      const look = () => {
        const found = this.since(mark).find((e) => `${e.name} ${e.event}` === sentence);
        if (found) resolve(found);
      };
      watcher = watch(this.file, look);
      watcher.on('error', reject);
      look();
    })).finally(() => watcher.close());
  }
}
