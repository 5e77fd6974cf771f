import { readPhone } from "../../apps/api/src/logins/phone-number.ts";
import type { ImportGrant, ImportPayment, ImportRow } from "../../packages/db/src/imports.ts";
import type { Row } from "./former.ts";
import { nameRow, readCount, readEmail, readText } from "./read-values.ts";
import type { Context, Parts, Person } from "./system.ts";

type Known = {
  name: string | null;
  email?: unknown;
  isEmailVerified?: unknown;
  phone?: unknown;
  isPhoneVerified?: unknown;
  password?: unknown;
  /** What their issuer calls them. */
  subject?: unknown;
};

type Who = Pick<ImportRow, "login" | "identity"> & {
  email: string | null;
  phone: string | null;
  warnings: string[];
};

/** Addresses, and what of them somebody may log in by. */
export function readWho(known: Known, { mapping }: Context): Who {
  const { logins, accounts } = mapping;
  const warnings: string[] = [];
  const email = readEmail(known.email);
  const hadEmail = readText(known.email, 400) !== null;
  if (email === null && hadEmail) warnings.push("email_unusable");
  const written = readText(known.phone, 40);
  const number = written === null ? null : toPhone(written, accounts.phone_countries);
  if (written !== null && number === null) warnings.push("phone_unusable");
  // A number that nobody has proven may be anybody's. Where no column tells, the mapping does.
  const isProven =
    known.isPhoneVerified === true ||
    (logins.phones === "all" && known.isPhoneVerified === undefined);
  const phone = isProven ? number : null;
  if (number !== null && phone === null) warnings.push("phone_unverified");
  const byEmail = logins.emails === "none" ? null : email;
  const byPhone = logins.phones === "none" ? null : phone;
  const password = logins.passwords ? readPassword(known.password) : null;
  if (logins.passwords && password === null && readText(known.password, 10) !== null) {
    warnings.push("password_unknown_format");
  }
  const subject = readText(known.subject, 256);
  const isEmailVerified = known.isEmailVerified === true || logins.emails === "verified";
  return {
    email,
    phone,
    warnings,
    login:
      byEmail === null && byPhone === null
        ? null
        : {
            name: known.name ?? "",
            email: byEmail,
            email_verified: byEmail !== null && isEmailVerified,
            phone: byPhone,
            password,
          },
    identity:
      logins.issuer !== null && subject !== null && subject.length <= 255
        ? { issuer: logins.issuer, subject }
        : null,
  };
}

/** In E.164; null where it is no mobile number of these countries. */
function toPhone(text: string, countries: string[]): string | null {
  return readPhone(text, { countries }) ?? null;
}

/** PHC strings of argon2, of a cost that a login may have: 64 MiB, 10 passes, 4 lanes. */
const argon2 =
  /^\$argon2(?:id|i|d)\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=(\d)(?:\$[A-Za-z\d+/]{11,86}){2}$/;

/** What the log-in here can check; null for everything else: a new password is asked for then. */
function readPassword(value: unknown): string | null {
  if (typeof value !== "string" || value.length > 300) return null;
  const [, memory, passes, lanes] = (argon2.exec(value) ?? []).map(Number);
  if (memory === undefined || passes === undefined || lanes === undefined) return null;
  const isFair =
    memory >= 8 * lanes && memory <= 65_536 && passes >= 1 && passes <= 10 && lanes >= 1;
  return isFair && lanes <= 4 ? value : null;
}

/** A grant of what a column has left; none of nothing. */
export function grantOf(
  table: string,
  id: unknown,
  grant: Omit<ImportGrant, "key" | "amount" | "monthly" | "expires_at"> & {
    amount: unknown;
    monthly?: boolean;
    expiresAt?: string | null;
  },
): ImportGrant[] {
  const amount = readCount(grant.amount) ?? 0;
  if (amount === 0) return [];
  return [
    {
      key: nameRow(table, id),
      source: grant.source,
      amount,
      monthly: grant.monthly ?? false,
      expires_at: grant.expiresAt ?? null,
      description: grant.description,
    },
  ];
}

/** Amounts that are no credits: somebody has to look at them. */
export const findAmountFaults = (...amounts: unknown[]): string[] =>
  amounts.some((one) => one !== null && one !== undefined && readCount(one) === null)
    ? ["balance_unreadable"]
    : [];

/** What the provider's adapter would call a payment and the credit of it; see packages/billing. */
export function nameCharge(
  provider: string,
  ref: string | null,
  mode: "test" | "live",
): Pick<ImportPayment, "ref" | "effect_key"> {
  if (ref === null) return { ref, effect_key: null };
  if (provider === "stripe") {
    return { ref, effect_key: ref.startsWith("pi_") ? `s:${mode}:pi:${ref}` : null };
  }
  if (provider === "lemonsqueezy") {
    return { ref: `order:${ref}`, effect_key: `l:${mode}:order:${ref}` };
  }
  return { ref, effect_key: `z:${mode}:${ref}` };
}

/** The row of SQL of what was read. */
export function toImportRow(
  { id, kind, counts }: Person,
  { table, checksums }: { table: string; checksums: Record<string, string> },
  { parts, locale }: { parts: Parts; locale: string },
): ImportRow {
  return {
    key: nameRow(table, id),
    checksums,
    history: counts,
    account: {
      external_id: id,
      kind,
      name: null,
      email: null,
      phone: null,
      bio: null,
      locale,
      is_active: true,
      created_at: null,
      last_login_at: null,
      ...parts.account,
    },
    login: parts.login ?? null,
    identity: parts.identity ?? null,
    vendor: parts.vendor ?? null,
    customers: parts.customers ?? [],
    plan: parts.plan ?? null,
    passes: parts.passes ?? [],
    payments: parts.payments ?? [],
    grants: parts.grants ?? [],
    allowances: parts.allowances ?? [],
    usage: parts.usage ?? [],
    albums: parts.albums ?? [],
    files: parts.files ?? [],
  };
}

/** The row of a table that a person has one of; empty when there is none. */
export const oneOf = ({ rows }: Person, table: string): Row => rows[table]?.[0] ?? {};
