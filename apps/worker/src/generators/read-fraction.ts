/** The last percentage in what a model has logged, as tqdm writes it; undefined: it says none. */
export function readFraction(log: string): number | undefined {
  const bars = [...log.slice(-4_000).matchAll(/(\d{1,3})%\s*\|/g)];
  const percent = Number(bars.at(-1)?.[1] ?? Number.NaN);
  return percent <= 100 ? percent / 100 : undefined;
}
