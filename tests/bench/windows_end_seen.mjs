// How long it takes from a service's SERVICE_STOPPED to the journal's end of the step, beside polling
// each 250 ms: scripts/under-wine node tests/bench/windows_end_seen.mjs [ROUNDS]
//
// Both clocks are the machine's; the journal's has a resolution of 1 ms. A step ends when the process is
// gone as well, so what is measured contains the service's own end after its last report. For the peer,
// SERVICE_STOPPED alone ends the wait.
import { openSync, closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { Machine } from '../windows/machine.mjs';

const rounds = Number(process.argv[2] ?? 50);
const machine = new Machine('nf-agent', { port: 18944 });
const name = 'FTPSVC';

const stoppedAt = () => Number(readFileSync(join(machine.folder, 'estate', `${name}.times`), 'utf8').trim().split('\n').at(-1).split(' ')[1]);
const quantile = (all, q) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))];
const say = (what, all) => console.log(`${what.padEnd(34)} p50 ${quantile(all, 0.5).toFixed(1)} ms  p99 ${quantile(all, 0.99).toFixed(1)} ms  max ${Math.max(...all).toFixed(1)} ms`);

function pollOnce() {
  const log = join(machine.folder, 'poll.log');
  const file = openSync(log, 'w');
  const child = spawn('wine', [`C:\\${machine.name}\\svc_hosted.exe`, 'poll', name, '250'], { stdio: ['ignore', file, 'ignore'] });
  closeSync(file);
  return new Promise((resolve) => child.on('exit', () => resolve(Number(readFileSync(log, 'utf8')))));
}

machine.install('iis7');
await machine.startAgent();
await machine.done('stop', name, { dependents: 'include' }); // what a run that was broken off has left
const ours = [];
const polled = [];
try {
  for (let round = 0; round < rounds; round += 1) {
    // Ends at another moment of the poller's interval each time.
    machine.behave(name, [`stop = after ${1000 + (round * 37) % 250}`]);
    const started = await machine.done('start', name);
    if (started.result !== 'succeeded') throw new Error(JSON.stringify(started));
    const peer = pollOnce();
    const job = await machine.done('stop', name);
    if (job.result !== 'succeeded') throw new Error(JSON.stringify(job));
    const end = stoppedAt();
    ours.push(Date.parse(job.steps.at(-1).finished_at) - end / 1000);
    polled.push((await peer - end) / 1000);
  }
  say('noforce: SERVICE_STOPPED to step end', ours);
  say('polling each 250 ms', polled);
} finally {
  await machine.end([name]);
}
