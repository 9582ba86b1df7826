export { Agent, isAlive, program, services } from './agent.mjs';
export { Chance } from './chance.mjs';
export { Client } from './client.mjs';
export { EventStream } from './event_stream.mjs';
export { Lines, askOnce } from './lines.mjs';
export { processesOf } from './processes.mjs';
export { scenarios } from './scenario.mjs';
export { seconds, sleep, within } from './time.mjs';
export { assertEndedOnce, assertJournalIntact, assertLivedInOrder, assertLogContinuous, assertOrderKept, assertReportedAsLived, everyItem } from './verdict.mjs';
