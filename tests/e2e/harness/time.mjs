// Limits of time. A limit is there to end a test that hangs, never to make one pass.
import { setTimeout as sleep } from 'node:timers/promises';

const slowdown = Number(process.env.NOFORCE_TEST_SLOWDOWN ?? 1);

// In milliseconds, stretched where the program under test is a slow build.
export const seconds = (n) => n * 1000 * slowdown;

// `promise`, or an error that says what did not happen.
export async function within(limit, what, promise) {
  const enough = new AbortController();
  try {
    return await Promise.race([
      promise,
      sleep(seconds(limit), undefined, { signal: enough.signal }).then(() => {
        throw new Error(`not within ${limit} s: ${what}`);
      }),
    ]);
  } finally {
    enough.abort();
    promise.catch?.(() => {}); // when it loses the race, nobody else looks at it
  }
}

// For a point in time that the case itself is about ("killed after 1 s"), and for nothing else.
export { sleep };
