import { z } from "zod";
import { ProductKey } from "./checkout.ts";
import { page, pageQuery } from "./pagination.ts";
import { Texts } from "./payments.ts";
import { SubscriptionStatus } from "./subscriptions.ts";
import { Id, Moment, Time, text } from "./text.ts";

const most = 1_000_000_000;

/** A feature's key, as the catalog has it. */
export const FeatureKey = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,49}$/, "A feature's key.");
const Amount = z.int().min(1).max(most).default(1);
const subject = text(255)
  .optional()
  .meta({ description: "What a pass may be bound to, as a property's address." });

const Source = z
  .enum(["plan", "pass", "override"])
  .meta({ description: "Whose word decides: an `override` is an administrator's." });
const Limit = z.int().nullable().meta({ description: "null: no end." });
const Left = z.int().min(0).nullable();
const Used = z.int().min(0);
const styles = z.array(z.string());

const EntitledFlag = z
  .strictObject({ kind: z.literal("flag"), name: Texts, enabled: z.boolean(), source: Source })
  .meta({ id: "EntitledFlag" });
const EntitledLimit = z
  .strictObject({
    kind: z.literal("limit"),
    name: Texts,
    period: z.enum(["hour", "day", "month", "request"]),
    reset: z.enum(["calendar", "anchor"]),
    limit: Limit,
    used: Used,
    remaining: Left,
    resets_at: Time.nullable(),
    styles: styles
      .optional()
      .meta({ description: "Generations with these styles take one per item; `*`: any." }),
    of: z
      .literal("areas")
      .optional()
      .meta({ description: "… of a request: no more areas in one of them than the limit." }),
    free_styles: styles
      .optional()
      .meta({ description: "… cost nothing while the limit lasts, and take one per item." }),
    beyond: z
      .enum(["pay", "refuse"])
      .optional()
      .meta({ description: "What such a generation does when the limit is used up." }),
    source: Source,
  })
  .meta({ id: "EntitledLimit" });
const EntitledStock = z
  .strictObject({
    kind: z.literal("stock"),
    name: Texts,
    counts: z.enum(["held", "spent"]).meta({ description: "`held` places come free again." }),
    limit: Limit.meta({ description: "Of a stock that is spent: what was given." }),
    used: Used,
    remaining: Left,
    resets_at: z.null(),
    source: Source,
  })
  .meta({ id: "EntitledStock" });

export const EntitledFeature = z
  .discriminatedUnion("kind", [EntitledFlag, EntitledLimit, EntitledStock])
  .meta({ id: "EntitledFeature" });
export type EntitledFeature = z.infer<typeof EntitledFeature>;

export const Entitlements = z
  .strictObject({
    plan: z.strictObject({ key: z.string(), name: Texts }).nullable(),
    status: z
      .enum(["none", ...SubscriptionStatus.options])
      .meta({ description: "How the newest subscription stands." }),
    trial: z.strictObject({ ends_at: Time.nullable() }).nullable(),
    period: z.strictObject({ start: Time, end: Time }).nullable(),
    cancel_at: Time.nullable(),
    features: z.record(z.string(), EntitledFeature),
    passes: z.array(
      z.strictObject({
        id: Id,
        product: z.string(),
        subject: z.string().nullable().meta({ description: "Bound to it: counts for it only." }),
        starts_at: Time,
        ends_at: Time,
      }),
    ),
    rate_limits: z.array(
      z.strictObject({
        unit: z.enum(["minute", "hour", "day"]),
        limit: z.int(),
        remaining: z.int().nullable().meta({
          description: "After this request, which counts too; null where an admin asks.",
        }),
        resets_at: Time.nullable(),
      }),
    ),
    limits: z
      .record(z.string(), z.int())
      .meta({ description: "The plan's limits of work: a member that is left out has no end." }),
  })
  .meta({ id: "Entitlements" });
export type Entitlements = z.infer<typeof Entitlements>;

export const CheckFeature = z
  .strictObject({ feature: FeatureKey, amount: Amount, subject })
  .meta({ id: "CheckFeature", examples: [{ feature: "letters", amount: 1 }] });

export const CheckedFeature = z
  .strictObject({
    allowed: z.boolean(),
    quota: z.string(),
    limit: Limit,
    current: Used,
    resets_at: Time.nullable(),
    upgrade: z
      .string()
      .optional()
      .meta({ description: "When it is refused: the product that allows more." }),
  })
  .meta({ id: "CheckedFeature" });
export type CheckedFeature = z.infer<typeof CheckedFeature>;

export const TrackUsage = z
  .strictObject({
    feature: FeatureKey,
    amount: Amount,
    event_id: text(255).meta({
      description: "Of your own: the same again takes nothing, for 400 days.",
    }),
    subject,
  })
  .meta({
    id: "TrackUsage",
    examples: [{ feature: "letters", amount: 1, event_id: "letter-4711" }],
  });

const counted = {
  feature: z.string(),
  used: Used,
  limit: Limit,
  remaining: Left,
  resets_at: Time.nullable(),
};

export const TrackedUsage = z.strictObject(counted).meta({ id: "TrackedUsage" });
export type TrackedUsage = z.infer<typeof TrackedUsage>;

export const ReleasedUsage = z
  .strictObject({
    ...counted,
    amount: z.int(),
    returned: z.int().meta({ description: "How much can be used again: not what has ended." }),
  })
  .meta({ id: "ReleasedUsage" });
export type ReleasedUsage = z.infer<typeof ReleasedUsage>;

/** In a path. */
export const EventId = text(255);

export const UsageRow = z
  .strictObject({
    event_id: z.string(),
    feature: z.string(),
    amount: z.int(),
    subject: z.string().nullable(),
    released_at: Time.nullable(),
    created_at: Time,
  })
  .meta({ id: "Usage" });
export type UsageRow = z.infer<typeof UsageRow>;

const { cursor, limit } = pageQuery;
export const UsageQuery = z.strictObject({
  feature: FeatureKey.optional(),
  from: Moment.optional(),
  to: Moment.optional(),
  cursor,
  limit,
});
export const UsagePage = page(UsageRow);

const reason = text(500);

export const SetOverride = z
  .strictObject({
    value: z
      .union([z.boolean(), z.int().min(0).max(most), z.null()])
      .meta({ description: "Of a flag true or false, of a limit a number or null for no end." }),
    expires_at: Moment.optional(),
    reason,
  })
  .meta({ id: "SetOverride", examples: [{ value: 50, reason: "As agreed by phone" }] });

export const Override = z
  .strictObject({
    feature: z.string(),
    value: z.union([z.boolean(), z.int(), z.null()]),
    expires_at: Time.nullable(),
    reason: z.string().nullable(),
    updated_at: Time,
  })
  .meta({ id: "FeatureOverride" });
export type Override = z.infer<typeof Override>;

export const AddAllowance = z
  .strictObject({
    feature: FeatureKey,
    amount: z.int().min(1).max(most),
    expires_at: Moment.optional(),
    reason,
  })
  .meta({
    id: "AddAllowance",
    examples: [{ feature: "mail_credits", amount: 2, reason: "Two were lost in the post" }],
  });

export const Allowance = z
  .strictObject({
    id: Id,
    feature: z.string(),
    amount: z.int(),
    expires_at: Time.nullable(),
    remaining: z.int().meta({ description: "Of the whole stock." }),
  })
  .meta({ id: "Allowance" });
export type Allowance = z.infer<typeof Allowance>;

export const AssignPlan = z
  .strictObject({
    plan: ProductKey.meta({ description: "The default plan takes an assigned one away." }),
    until: Moment.optional().meta({ description: "Left out: until it is changed." }),
  })
  .meta({ id: "AssignPlan", examples: [{ plan: "enterprise" }] });
