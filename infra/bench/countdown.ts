/**
 * The worker's end of a measurement: told how many jobs will come, it says when as many are done.
 */
export function createCountdown(): { count(): void } {
  let left = 0;
  process.on("message", (expected: number) => {
    left = expected;
    process.send?.("ready");
  });
  return {
    count() {
      left -= 1;
      if (left === 0) process.send?.("done");
    },
  };
}
