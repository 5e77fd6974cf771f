import { providerNames } from "../../../packages/billing/src/provider.ts";
import type { ImportPayment, ImportRow } from "../../../packages/db/src/imports.ts";
import type { Row } from "../former.ts";
import { table } from "../former-tables.ts";
import { findAmountFaults, grantOf, nameCharge, oneOf, readWho } from "../read-person.ts";
import { readPlan } from "../read-plan.ts";
import {
  addMonths,
  maskCard,
  nameRow,
  readAmount,
  readCount,
  readCurrency,
  readRef,
  readText,
  readTime,
} from "../read-values.ts";
import type { Context, Drive, Parts, Person, System } from "../system.ts";
import { listAlbums, listImages, readVendor } from "./stylist-gallery.ts";

const drive = (name: "users" | "vendors"): Drive => {
  const owner = name === "users" ? "user_id" : "vendor_id";
  return {
    name,
    kind: name === "users" ? "user" : "vendor",
    ids: [[name, "id"]],
    parts: {
      profile: [{ table: name, owner: "id" }],
      payments: [{ table: "payments", owner }],
      gallery: [
        { table: "images", owner },
        ...(name === "vendors" ? [{ table: "albums", owner }] : []),
      ],
      ...(name === "users" && {
        credits: [
          {
            table: "user_conversions",
            owner,
            daysOf: { column: "created_at", days: 32 },
          },
        ],
      }),
    },
    counts: name === "users" ? [{ table: "user_conversions", owner, by: "status" }] : [],
  };
};

/**
 * The styling app: users and vendors apart, by telephone, at ZarinPal. A plan is one for a month
 * from its last payment, renewed by orders here as there. Free conversions are a trial, what is
 * left of a plan's month is credits; former conversions are counted and stay where they are.
 */
export const stylist: System = {
  tables: {
    users: table(`
      id! phone! password_hash free_quota_remaining! plan_id name avatar_url bio
      is_phone_verified! is_active last_login_at created_at`),
    vendors: table(`
      id! phone! password_hash plan_id profile_info business_name! avatar_url bio contact_info
      social_links is_verified is_active last_login_at created_at`),
    payment_plans: table("id! name! monthly_conversions_limit!"),
    payments: table(`
      id! user_id! vendor_id! plan_id! amount! currency! status! gateway gateway_track_id
      gateway_ref_number gateway_card_number paid_at! created_at`),
    user_conversions: table("id! user_id! conversion_type! status! created_at!"),
    images: table(`
      id! user_id! vendor_id! type! file_name original_url! is_public tags metadata created_at`),
    albums: table("id! vendor_id! name! description is_public"),
  },
  drives: [drive("users"), drive("vendors")],
  lists: ["payment_plans"],
  controls: [{ source: "trial", table: "users", column: "free_quota_remaining" }],
  plans: [["payment_plans", "name"]],
  read: (person, context) =>
    person.kind === "user" ? readUser(person, context) : readSeller(person, context),
};

function readUser(person: Person, context: Context): Parts {
  const user = oneOf(person, "users");
  const paid = readPayments(person, context);
  const plan = readOwnPlan({ planId: user.plan_id, paid: paid.payments }, context);
  const shared = readAccount(person, user, context);
  return {
    ...shared,
    plan: plan.plan,
    passes: plan.passes,
    payments: paid.payments.map(({ payment }) => payment),
    grants: [
      ...grantOf("users", person.id, {
        source: "trial",
        amount: user.free_quota_remaining,
        description: "Free conversions",
      }),
      ...grantOf("payments", plan.paidBy ?? "", {
        source: "subscription",
        amount: plan.plan ? countLeft(person, { plan }) : 0,
        monthly: true,
        expiresAt: plan.plan?.period_end ?? null,
        description: "Conversions of the month",
      }),
    ],
    files: [...shared.files, ...listImages(person)],
    faults: [...findAmountFaults(user.free_quota_remaining), ...paid.faults, ...plan.faults],
    warnings: [...shared.warnings, ...plan.warnings],
  };
}

function readSeller(person: Person, context: Context): Parts {
  const vendor = oneOf(person, "vendors");
  const paid = readPayments(person, context);
  const plan = readOwnPlan({ planId: vendor.plan_id, paid: paid.payments }, context);
  const shared = readAccount(person, vendor, context);
  const profile = readVendor(vendor);
  return {
    ...shared,
    vendor: profile.vendor,
    plan: plan.plan,
    passes: plan.passes,
    payments: paid.payments.map(({ payment }) => payment),
    albums: listAlbums(person),
    files: [...shared.files, ...listImages(person)],
    faults: [...paid.faults, ...plan.faults],
    warnings: [...shared.warnings, ...plan.warnings, ...profile.warnings],
  };
}

/** What users and vendors both have. */
function readAccount(person: Person, row: Row, context: Context) {
  const name = readText(row.name ?? row.business_name, 200);
  const who = readWho(
    {
      name,
      phone: row.phone,
      isPhoneVerified: row.is_phone_verified,
      password: row.password_hash,
    },
    context,
  );
  const avatar = readText(row.avatar_url, 2048);
  const files: ImportRow["files"] = avatar
    ? [
        {
          key: nameRow(`${person.kind}s.avatar`, person.id),
          purpose: "avatar",
          url: avatar,
          details: {},
        },
      ]
    : [];
  return {
    account: {
      name,
      phone: who.phone,
      bio: readText(row.bio, 2000),
      is_active: row.is_active !== false,
      created_at: readTime(row.created_at),
      last_login_at: readTime(row.last_login_at),
    },
    login: who.login,
    files,
    warnings: who.warnings,
  };
}

type Paid = { id: string; planId: string; payment: ImportPayment };

function readPayments(person: Person, { mapping, mode }: Context) {
  const faults: string[] = [];
  const payments: Paid[] = [];
  for (const row of person.rows.payments ?? []) {
    if (row.status !== "completed") continue;
    const currency = readCurrency(row.currency, mapping.currency);
    const amount = readAmount(row.amount, currency, { isMinor: true });
    const paid_at = readTime(row.paid_at ?? row.created_at);
    if (amount === null || paid_at === null) {
      faults.push("payment_unreadable");
      continue;
    }
    const provider = readText(row.gateway, 40) ?? "zarinpal";
    if (!providerNames.some((one) => one === provider)) {
      faults.push("provider_unknown");
      continue;
    }
    payments.push({
      id: String(row.id),
      planId: String(row.plan_id),
      payment: {
        key: nameRow("payments", row.id),
        ...nameCharge(provider, readRef(row.gateway_track_id), mode),
        provider,
        purpose: "invoice",
        product: null,
        receipt_ref: readRef(row.gateway_ref_number),
        card_mask: maskCard(row.gateway_card_number),
        customer_ref: null,
        amount,
        currency,
        reversed: 0,
        paid_at,
      },
    });
  }
  return { payments, faults };
}

/** A month from the last payment of the plan that is theirs. */
function readOwnPlan({ planId, paid }: { planId: unknown; paid: Paid[] }, context: Context) {
  const row = context.lists.payment_plans?.find(({ id }) => id === planId);
  const name = readText(row?.name, 255);
  const last = paid
    .filter((one) => one.planId === planId)
    .sort((one, other) => (one.payment.paid_at < other.payment.paid_at ? 1 : -1))[0];
  const none = { plan: null, passes: [], faults: [], warnings: [], monthly: 0, paidBy: undefined };
  if (name === null || !last) return none;
  const periodStart = last.payment.paid_at;
  const periodEnd = addMonths(periodStart, 1);
  if (new Date(periodEnd) <= context.now) return { ...none, warnings: ["plan_is_over"] };
  const read = readPlan(
    {
      key: nameRow("payments", last.id),
      name,
      status: "active",
      provider: last.payment.provider,
      ref: null,
      isOwn: true,
      currency: last.payment.currency,
      startedAt: periodStart,
      periodStart,
      periodEnd,
    },
    context,
  );
  return { ...read, monthly: readCount(row?.monthly_conversions_limit) ?? 0, paidBy: last.id };
}

/** What of the month's conversions was not made; one that failed was given back there. */
function countLeft(
  { rows }: Person,
  {
    plan: { plan, monthly },
  }: { plan: { plan: { period_start: string | null } | null; monthly: number } },
): number {
  const from = plan?.period_start ?? "";
  const made = (rows.user_conversions ?? []).filter(
    (row) =>
      row.conversion_type === "paid" &&
      row.status !== "failed" &&
      (readTime(row.created_at) ?? "") >= from,
  );
  return Math.max(0, monthly - made.length);
}
