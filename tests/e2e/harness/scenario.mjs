// How a case is written:
//
//   const scenario = scenarios(import.meta.url);   // settings.toml lies beside the case
//   scenario('A restart of iisadmin asks for consent', async (agent) => { ... });
//
// Each scenario has an agent and services of its own; all is ended and removed after it. With
// NOFORCE_E2E_KEEP=1 the folder stays and its place is printed.
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Agent } from './agent.mjs';
import { seconds, within } from './time.mjs';

// adapt: changes the settings' text before they are used. through, prepare: see Agent.start. skip: why the
// machine cannot run it, or false.
// kind: an Agent that is run in another way than by this process.
export function scenarios(url, { settings = 'settings.toml', kind = Agent } = {}) {
  const template = readFileSync(new URL(settings, url), 'utf8');
  return function scenario(sentence, body, { limit = 120, adapt = (text) => text, through, prepare, skip = false } = {}) {
    test(sentence, { timeout: seconds(limit + 90), skip }, async () => {
      const agent = await kind.start(adapt(template), through, prepare);
      const failures = [];
      await within(limit, sentence, body(agent)).catch((error) => failures.push(error));
      await agent.tearDown(failures.length > 0).catch((error) => failures.push(error));
      // The first says more than what it left behind.
      if (failures.length > 0) throw failures[0];
    });
  };
}
