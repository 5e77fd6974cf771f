import { createHash } from "node:crypto";
import { findExponent, mostMoney } from "../../packages/billing/src/money.ts";
import { Email } from "../../packages/types/src/accounts.ts";
import type { Row } from "./former.ts";

/** A text without spaces around it, cut where ours ends; null when it is none. */
export function readText(value: unknown, most: number): string | null {
  if (typeof value !== "string" && typeof value !== "number") return null;
  const text = [...String(value).trim()].slice(0, most).join("");
  return text === "" ? null : text;
}

/** An id, a provider's name of something: whole, or null where it is longer than ours may be. */
export function readRef(value: unknown): string | null {
  const text = readText(value, 256);
  return text !== null && text.length <= 255 ? text : null;
}

/** An address in lower case, or null where it is none that a mail could be sent to. */
export function readEmail(value: unknown): string | null {
  const parsed = Email.safeParse(readText(value, 321)?.toLowerCase());
  return parsed.success ? parsed.data : null;
}

/** A whole number from 0 on; null where it is none. */
export function readCount(value: unknown): number | null {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : null;
}

/** A moment of a century around ours, as JSON has it: without a zone it is UTC. */
export function readTime(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const zoned = /(Z|[+-]\d\d(:?\d\d)?)$/.test(value) ? value : `${value}Z`;
  const time = new Date(zoned);
  const isSane = time.getTime() > Date.UTC(1970, 0, 2) && time.getTime() < Date.UTC(2100, 0, 1);
  return isSane ? time.toISOString() : null;
}

/** Minor units of an amount in major ones (9.99 dollars), or of minor ones with `isMinor`. */
export function readAmount(
  value: unknown,
  currency: string,
  { isMinor = false } = {},
): number | null {
  const exponent = findExponent(currency);
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number) || exponent === undefined) return null;
  const minor = isMinor ? number : Math.round(number * 10 ** exponent * 1e3) / 1e3;
  return Number.isInteger(minor) && minor >= 0 && minor <= mostMoney ? minor : null;
}

/** A currency's code in capitals; `otherwise` where the row names none. */
export function readCurrency(value: unknown, otherwise: string): string {
  return (readText(value, 3) ?? otherwise).toUpperCase();
}

/** The first six and the last four digits of a card, whatever the row has of it. */
export function maskCard(value: unknown): string | null {
  const text = readText(value, 64);
  if (text === null) return null;
  const digits = text.replaceAll(/\D/g, "");
  return digits.length >= 12 ? `${digits.slice(0, 6)}******${digits.slice(-4)}` : text.slice(0, 32);
}

/** `<table>:<id>`, as effect keys and import_rows name a row; a long id by its hash. */
export function nameRow(table: string, id: unknown): string {
  const text = String(id);
  return `${table}:${text.length <= 200 ? text : `sha256-${hash(text)}`}`;
}

/** A date's calendar months later, in UTC; the last day of a shorter month. */
export function addMonths(from: string, months: number): string {
  const start = new Date(from);
  const moved = new Date(start);
  moved.setUTCMonth(start.getUTCMonth() + months, 1);
  const last = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate();
  moved.setUTCDate(Math.min(start.getUTCDate(), last));
  return moved.toISOString();
}

/** When somebody was last there, or wrote: no reason to tell of a difference. */
const restless = new Set(["last_login_at", "updated_at", "last_used_at"]);

/** What rows say, whatever order they came in. */
export function hashRows(rows: Row[]): string {
  const texts = rows.map((row) =>
    JSON.stringify(
      Object.entries(row)
        .filter(([name]) => !restless.has(name))
        .sort(([one], [other]) => (one < other ? -1 : 1)),
    ),
  );
  return hash(texts.sort().join("\n"));
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");
