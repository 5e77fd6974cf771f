import { z } from "zod";
import { csvQuery } from "./pagination.ts";
import { Money } from "./payments.ts";
import { Reference, Time } from "./text.ts";

/** A day in a query or an answer, UTC, from 1970 to 9999. */
export const Day = z.iso
  .date()
  .refine((day) => day >= "1970-01-01", "The year is from 1970 to 9999.")
  .meta({ examples: ["2026-11-21"] });

const groups = ["day", "style", "model", "feature", "language", "category"] as const;
const adminGroups = [...groups, "account"] as const;

const span = {
  from: Day.optional().meta({ description: "The first day, UTC; 29 days before `to`." }),
  to: Day.optional().meta({ description: "The last day, UTC; today." }),
};

const groupBy = <T extends readonly string[]>(names: T) =>
  z
    .string()
    .max(100)
    .transform((value) => value.split(","))
    .pipe(z.array(z.enum(names)).max(names.length))
    .refine((list) => new Set(list).size === list.length, "Each at most once.")
    .refine(
      (list) =>
        !list.includes("feature" as never) ||
        list.every((name) => ["feature", "day", "account"].includes(name)),
      "What has a feature has no style: `feature` goes with `day` and `account` only.",
    )
    .optional()
    .meta({ description: `With commas between them: ${names.join(", ")}. \`day\` alone.` });

export const UsageSummaryQuery = z.strictObject({
  group_by: groupBy(groups),
  ...span,
  ...csvQuery,
});
export const AdminUsageQuery = z.strictObject({
  group_by: groupBy(adminGroups),
  account: Reference.optional().meta({ description: "Of this account only." }),
  ...span,
  ...csvQuery,
});

const count = z.int().min(0);
const time = z.int().min(0).nullable();
const name = z.string().optional();

const key = {
  day: Day.optional(),
  style: name,
  model: name.meta({ description: "The style's generator, and its model where it names one." }),
  feature: name,
  language: name.meta({ description: "`params.language`; empty where the request had none." }),
  category: name.meta({ description: "`params.category`, likewise." }),
};

const sums = {
  items: z
    .strictObject({ completed: count, failed: count, canceled: count, in_batches: count })
    .meta({ description: "By the day on which they ended." }),
  failure_rate: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .meta({ description: "failed / (completed + failed)." }),
  amount: count.meta({ description: "Of a feature: how much was used. 0 without `feature`." }),
  credits: z
    .strictObject({
      charged: count,
      paid_back: count,
      consumed: z.int().meta({ description: "Spent without a generation; by day only." }),
    })
    .meta({ description: "What items took and gave back by now." }),
  tokens: z.strictObject({ input: count, output: count }),
  response_ms: z
    .strictObject({ average: time, p50: time, p95: time, max: time })
    .meta({ description: "Of completed items. Percentiles are told from classes of times." }),
};

const freshness = {
  computed_at: Time.nullable().meta({ description: "How fresh it is: some minutes old." }),
  pending_days: count.meta({ description: "Days that are still to be summed up." }),
};
const isTruncated = z.boolean().meta({ description: "There are more lines than 5,000." });

const UsageTotal = z.strictObject(sums).meta({ id: "UsageTotal" });
const UsageSummaryLine = z.strictObject({ ...key, ...sums }).meta({ id: "UsageSummaryLine" });

/** What an account used, summed up. */
export const UsageSummary = z
  .strictObject({
    from: Day,
    to: Day,
    group_by: z.array(z.enum(groups)),
    data: z.array(UsageSummaryLine),
    total: UsageTotal,
    is_truncated: isTruncated,
    ...freshness,
  })
  .meta({ id: "UsageSummary" });
export type UsageSummary = z.infer<typeof UsageSummary>;
export type UsageSummaryLine = z.infer<typeof UsageSummaryLine>;
export type UsageTotal = z.infer<typeof UsageTotal>;

const micros = z.int().meta({ description: "In millionths of a dollar." });
const money = {
  revenue: z
    .array(Money)
    .nullable()
    .meta({ description: "What the credits had cost; null with feature, language or category." }),
  provider_cost: z
    .strictObject({ items: count, amount_micros: micros })
    .meta({ description: "What items cost of which it is known, in US dollars." }),
  margin_micros: micros
    .nullable()
    .meta({ description: "Revenue less cost; null where revenue is in other currencies too." }),
};

const AdminUsageTotal = z.strictObject({ ...sums, ...money }).meta({ id: "AdminUsageTotal" });
const AdminUsageLine = z
  .strictObject({ account_id: z.uuid().optional(), ...key, ...sums, ...money })
  .meta({ id: "AdminUsageLine" });

/** What all accounts used or one of them, with what it brought and what it cost. */
export const AdminUsage = z
  .strictObject({
    from: Day,
    to: Day,
    group_by: z.array(z.enum(adminGroups)),
    data: z.array(AdminUsageLine),
    total: AdminUsageTotal,
    is_truncated: isTruncated,
    ...freshness,
  })
  .meta({ id: "AdminUsage" });
export type AdminUsage = z.infer<typeof AdminUsage>;
export type AdminUsageLine = z.infer<typeof AdminUsageLine>;
export type AdminUsageTotal = z.infer<typeof AdminUsageTotal>;
