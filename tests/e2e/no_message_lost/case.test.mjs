// The reason for the whole program: what a service has accepted is on disk after its restart,
// however long it takes to write it. Other tools would have ended it by force after a while; the
// second scenario does that itself, and loses messages.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Lines, scenarios, sleep } from '../harness/index.mjs';

const scenario = scenarios(import.meta.url);
const restarts = Number(process.env.NOFORCE_E2E_RESTARTS ?? 50);
const batch = 200; // messages from one restart to the next: 10 000 in 50
const flushMs = 2000;
const killTimeoutMs = 1000; // what a tool that kills would wait

// Sends ids to the spool and keeps those that it accepted. A sender as they are: what is not
// answered before the connection ends is sent again once the spool is back.
class Sender {
  constructor(port) {
    this.port = port;
    this.accepted = new Set();
  }

  // All of them, once each is accepted. `isBack()` resolves when the spool takes mail again.
  async send(ids, isBack = () => Promise.reject(new Error('nobody takes mail'))) {
    let left = ids;
    while (left.length > 0) {
      let lines;
      try {
        lines = await Lines.open({ port: this.port });
      } catch {
        await isBack();
        continue;
      }
      await Promise.allSettled(left.map(async (id) => {
        const reply = await lines.ask(`MSG ${id}`);
        if (reply === `OK ${id}`) this.accepted.add(id);
      }));
      lines.close();
      left = left.filter((id) => !this.accepted.has(id));
    }
  }
}

const onDisk = (agent) => new Set(readFileSync(`${agent.dir}/queue.txt`, 'utf8').split('\n').filter(Boolean));
const lost = (sender, agent) => {
  const written = onDisk(agent);
  return [...sender.accepted].filter((id) => !written.has(id));
};

scenario(`No accepted message is lost in ${restarts} restarts under load`, async (agent) => {
  await agent.untilRunning('smtpsvc');
  const sender = new Sender(agent.ports.SMTP);
  for (let round = 0; round < restarts; round += 1) {
    const ids = Array.from({ length: batch }, (_, i) => `r${round}-${i}`);
    // Half of them lie in its memory when the stop comes, the other half arrives with it.
    await sender.send(ids.slice(0, batch / 2));
    const restart = agent.done('restart', 'smtpsvc', { deadline_s: 60 });
    await Promise.all([restart, sender.send(ids.slice(batch / 2), () => restart)]);
    const job = await restart;
    assert.deepEqual([job.result, job.forced], ['succeeded', false]);
    const stop = job.steps.find((s) => s.operation === 'stop');
    assert.ok(stop.duration_ms > killTimeoutMs, `it took its time: ${stop.duration_ms} ms`);
  }
  assert.equal((await agent.done('stop', 'smtpsvc')).result, 'succeeded');

  assert.equal(sender.accepted.size, batch * restarts);
  assert.deepEqual(lost(sender, agent), []);
}, { limit: 240 });

scenario('The same with a test that kills after its time-out loses messages', async (agent) => {
  await agent.untilRunning('smtpsvc');
  const sender = new Sender(agent.ports.SMTP);
  for (let round = 0; round < 2; round += 1) {
    const { pid } = await agent.service('smtpsvc');
    const mark = agent.life.mark();
    await sender.send(Array.from({ length: batch }, (_, i) => `r${round}-${i}`));
    const job = await agent.accepted('restart', 'smtpsvc', { deadline_s: 60 });
    await agent.life.until('smtpsvc stop', mark);
    await sleep(killTimeoutMs);
    process.kill(pid, 'SIGKILL');
    assert.equal((await agent.waitJob(job.id)).forced, false, 'it was not the agent');
    await agent.untilRunning('smtpsvc');
  }
  await agent.done('stop', 'smtpsvc');

  assert.equal(sender.accepted.size, batch * 2);
  assert.ok(lost(sender, agent).length > 0, 'killing loses messages, and the test sees it');
});
