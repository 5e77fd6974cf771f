/** Money in the smallest unit that the currency is counted in here, with its ISO 4217 code. */
export type Money = { amount: number; currency: string };

/** The largest amount that any provider here can be asked for or can report. */
export const mostMoney = 1_000_000_000_000;

/**
 * Decimals of each currency that we know how to count. Those without cents are in Stripe's list
 * (docs.stripe.com/currencies); ISK, UGX, HUF, TWD and the currencies with three decimals have
 * rules of their own there and are left out. The rial is counted in whole rials, as ZarinPal
 * does, although ISO 4217 gives it two decimals.
 */
const exponents: Record<string, number> = {
  ...of(2, "AED AUD BRL CAD CHF CZK DKK EUR GBP HKD ILS INR MXN MYR NOK NZD PHP PLN RON SAR SEK"),
  ...of(2, "SGD THB TRY USD ZAR"),
  ...of(0, "CLP IRR JPY KRW PYG VND XAF XOF XPF"),
};

/** The currencies that can be charged through a provider that takes all but the rial. */
export const worldCurrencies: readonly string[] = Object.keys(exponents).filter(
  (currency) => currency !== "IRR",
);

/** Decimals of a currency, or undefined for one that we can't count. */
export function findExponent(currency: string): number | undefined {
  return exponents[currency];
}

/**
 * An amount that a provider reported, or undefined where it is no whole number from 0 to
 * 10^12 or the currency is none: such a report never becomes money.
 */
export function readMoney(amount: unknown, currency: unknown): Money | undefined {
  if (typeof amount !== "number" || !Number.isInteger(amount)) return undefined;
  if (amount < 0 || amount > mostMoney) return undefined;
  if (typeof currency !== "string" || !/^[a-z]{3}$/i.test(currency)) return undefined;
  return { amount, currency: currency.toUpperCase() };
}

/** Whether both are the same amount of the same currency. */
export function isSameMoney(one: Money, other: Money): boolean {
  return one.amount === other.amount && one.currency === other.currency;
}

/** The amount as a person reads it, for example "USD 9.00" or "IRR 500,000". */
export function formatMoney({ amount, currency }: Money): string {
  const exponent = findExponent(currency) ?? 0;
  const digits = { minimumFractionDigits: exponent, maximumFractionDigits: exponent };
  return `${currency} ${(amount / 10 ** exponent).toLocaleString("en-US", digits)}`;
}

function of(exponent: number, currencies: string): Record<string, number> {
  return Object.fromEntries(currencies.split(" ").map((currency) => [currency, exponent]));
}
