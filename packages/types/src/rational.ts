/** An exact fraction: `above` / `below`, with `below` > 0. */
export type Rational = { above: bigint; below: bigint };

/** Reads a decimal as in "0.25"; the caller has checked that it is one. */
export function readDecimal(decimal: string): Rational {
  const [whole = "0", part = ""] = decimal.split(".");
  return { above: BigInt(whole + part), below: 10n ** BigInt(part.length) };
}

export const toRational = (whole: number): Rational => ({ above: BigInt(whole), below: 1n });

export const addRationals = (a: Rational, b: Rational): Rational => ({
  above: a.above * b.below + b.above * a.below,
  below: a.below * b.below,
});

export const multiplyRationals = (a: Rational, b: Rational): Rational => ({
  above: a.above * b.above,
  below: a.below * b.below,
});

/** The smallest whole number that is not less; of what is not below 0. */
export const roundUp = ({ above, below }: Rational): number => Number((above + below - 1n) / below);
