// How long it takes from a service's SERVICE_STOPPED to the journal's end of the step, beside polling
// each 250 ms: scripts/under-wine node tests/bench/windows_end_seen.mjs [ROUNDS]
//
// Both clocks are the machine's; the journal's has a resolution of 1 ms. A step ends when the process is
// gone as well, so what is measured contains the service's own end after its last report: a peer that does
// nothing but wait for the process's handle tells it apart. For the other peer, SERVICE_STOPPED alone ends
// the wait.
import { openSync, closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { Machine } from '../windows/machine.mjs';

const rounds = Number(process.argv[2] ?? 50);
const machine = new Machine('nf-agent');
const name = 'FTPSVC';

const stoppedAt = () => Number(readFileSync(join(machine.folder, 'estate', `${name}.times`), 'utf8').trim().split('\n').at(-1).split(' ')[1]);
const quantile = (all, q) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))];
const say = (what, all) => console.log(`${what.padEnd(34)} p50 ${quantile(all, 0.5).toFixed(1)} ms  p99 ${quantile(all, 0.99).toFixed(1)} ms  max ${Math.max(...all).toFixed(1)} ms`);

function peerSees(...words) {
  const log = join(machine.folder, `${words[0]}.log`);
  const file = openSync(log, 'w');
  const child = spawn('wine', [`C:\\${machine.name}\\svc_hosted.exe`, ...words], { stdio: ['ignore', file, 'ignore'] });
  closeSync(file);
  return new Promise((resolve) => child.on('exit', () => resolve(Number(readFileSync(log, 'utf8')))));
}

machine.install('iis7');
await machine.startAgent();
await machine.done('stop', name, { dependents: 'include' }); // what a run that was broken off has left
const ours = [];
const gone = [];
const after = [];
const polled = [];
try {
  for (let round = 0; round < rounds; round += 1) {
    // Ends at another moment of the poller's interval each time.
    machine.behave(name, [`stop = after ${1000 + (round * 37) % 250}`]);
    const started = await machine.done('start', name);
    if (started.result !== 'succeeded') throw new Error(JSON.stringify(started));
    const peers = [peerSees('poll', name, '250'), peerSees('gone', name)];
    const job = await machine.done('stop', name);
    if (job.result !== 'succeeded') throw new Error(JSON.stringify(job));
    const end = stoppedAt();
    const [seen, wasGone] = await Promise.all(peers);
    const finished = Date.parse(job.steps.at(-1).finished_at);
    ours.push(finished - end / 1000);
    gone.push((wasGone - end) / 1000);
    after.push(finished - wasGone / 1000);
    polled.push((seen - end) / 1000);
  }
  say('noforce: SERVICE_STOPPED to step end', ours);
  say('the process is gone', gone);
  say('noforce: from there to step end', after);
  say('polling each 250 ms', polled);
} finally {
  await machine.end([name]);
}
