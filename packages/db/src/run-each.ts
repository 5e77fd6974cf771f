/**
 * Runs each of them, one after the other, and returns the sum of what they did. One that fails
 * keeps no other from its turn: the first error is thrown when all have had theirs.
 */
export async function runEach<T>(
  items: readonly T[],
  run: (item: T) => Promise<number>,
): Promise<number> {
  const errors: unknown[] = [];
  let done = 0;
  for (const item of items) {
    await run(item).then(
      (count) => {
        done += count;
      },
      (error: unknown) => errors.push(error),
    );
  }
  if (errors.length > 0) throw errors[0];
  return done;
}
