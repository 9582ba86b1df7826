// What a process holds, as the kernel counts it.
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { seconds } from './time.mjs';

// Memory of its own, in KiB.
export function privateMemory(pid) {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

export const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).length;

// Waits for the number of open files to come down to `most`; gives what it is at the end.
export async function openFilesDownTo(pid, most, limit = 20) {
  const until = Date.now() + seconds(limit);
  while (openFiles(pid) > most && Date.now() < until) await sleep(50);
  return openFiles(pid);
}
