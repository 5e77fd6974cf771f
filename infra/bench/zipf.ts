/**
 * Picks from a list as people come back: the n-th comes n times as rarely as the first (Zipf with
 * an exponent of one).
 */
export function makeZipf<T>(list: readonly T[]): () => T {
  let sum = 0;
  const upto = Float64Array.from(list, (_, at) => {
    sum += 1 / (at + 1);
    return sum;
  });
  return () => {
    const wanted = Math.random() * sum;
    let [low, high] = [0, list.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upto[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return list[low] as T;
  };
}
