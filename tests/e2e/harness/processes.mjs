// What the machine itself says of processes, so that a test need not believe the agent.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

// A zombie that its parent has not looked at yet counts as gone.
export function isAlive(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

function concerns(pid, folder) {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) return true;
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder);
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

// All processes but this one that were started with this folder or have something in it open.
export function processesOf(folder) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && isAlive(name) && concerns(name, folder))
    .map((name) => ({
      pid: Number(name),
      command: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').join(' ').trim(),
    }));
}
