import { z } from "zod";
import { Currency, ProviderName } from "./checkout.ts";
import { page, pageQuery } from "./pagination.ts";
import { Id, Moment, Time, text } from "./text.ts";

const Credits = z.int();
const amount = z
  .int()
  .meta({ description: "In the smallest unit that the currency is counted in." });
const Interval = z.enum(["once", "month", "year"]);
const Kind = z.enum(["plan", "pack", "pass"]);
const Audience = z.enum(["user", "vendor"]);
const texts = z.record(z.string(), z.string()).meta({ description: "By language." });

/** What a plan or pass allows, its parts named after `id`. `limit` null: no end. */
const feature = <T extends z.ZodType>(id: string, name: T) => {
  const Flag = z.strictObject({ kind: z.literal("flag"), name, enabled: z.boolean() });
  const Limit = z.strictObject({
    kind: z.literal("limit"),
    name,
    limit: z.int().nullable(),
    period: z.enum(["hour", "day", "month", "request"]),
    reset: z.enum(["calendar", "anchor"]),
    styles: z
      .array(z.string())
      .optional()
      .meta({ description: "Generations with these take of it; * is any." }),
    of: z
      .literal("areas")
      .optional()
      .meta({ description: "Of a request: so many areas of it; left out: items." }),
    free_styles: z
      .array(z.string())
      .optional()
      .meta({ description: "Generations with these take of it and cost nothing; * is any." }),
    beyond: z
      .enum(["pay", "refuse"])
      .optional()
      .meta({ description: "What they do when it is used up; left out: pay." }),
  });
  const Stock = z.strictObject({
    kind: z.literal("stock"),
    name,
    counts: z.enum(["held", "spent"]),
    limit: z.int().nullable().optional(),
  });
  return z
    .discriminatedUnion("kind", [
      Flag.meta({ id: `${id}Flag` }),
      Limit.meta({ id: `${id}Limit` }),
      Stock.meta({ id: `${id}Stock` }),
    ])
    .meta({ id });
};
export const Feature = feature("Feature", z.string());
export type Feature = z.infer<typeof Feature>;

/** What both views of a product have. */
const about = {
  id: Id,
  key: z.string(),
  kind: Kind,
  audience: Audience.nullable().meta({ description: "Who may buy it; null: everybody." }),
  credits: Credits.meta({ description: "A plan gives them each month, a pack or pass once." }),
  bonus: Credits,
  trial_days: z.int(),
  trial_credits: Credits,
  rollover: z.enum(["none", "capped", "full"]),
  rollover_cap: Credits.nullable(),
  grace_days: z.int(),
  valid_days: z.int().nullable().meta({ description: "Of a pass; of a pack's credits." }),
  needs_subject: z.boolean(),
  allowances: z.record(z.string(), z.int()),
  rate_limits: z.record(z.string(), z.int()).meta({ description: "Requests by unit of time." }),
  limits: z.record(z.string(), z.int()).meta({
    description: "Of a plan: running, open_items, daily_credits, retention_days; left out: no end.",
  }),
  is_default: z.boolean().meta({ description: "The plan of those who pay for none." }),
};

export const Price = z
  .strictObject({
    id: Id,
    interval: Interval,
    price: z.strictObject({ amount, currency: Currency }),
    providers: z
      .array(ProviderName)
      .meta({ description: "Who can sell it here; none: it is not on sale at the moment." }),
    display: z
      .strictObject({
        price: z.string(),
        per_credit: z.string().nullable(),
        per_month: z.string().nullable().meta({ description: "Of a yearly price." }),
        savings: z.string().nullable().meta({
          description: "Against twelve months, or a credit of the dearest pack; null: none.",
        }),
      })
      .meta({ description: "As the language writes it. Of one direction, without marks." }),
  })
  .meta({ id: "ProductPrice" });
export type Price = z.infer<typeof Price>;

export const Product = z
  .strictObject({
    ...about,
    name: z.string(),
    description: z.string(),
    features: z.record(z.string(), Feature),
    prices: z.array(Price),
  })
  .meta({ id: "Product" });
export type Product = z.infer<typeof Product>;

export const ProductList = z
  .strictObject({
    language: z.string().meta({ description: "Of the texts, as in fa-IR." }),
    data: z.array(Product),
  })
  .meta({ id: "ProductList" });
export type ProductList = z.infer<typeof ProductList>;

export const ProductQuery = z.strictObject({ kind: Kind.optional() });

export const AdminProduct = z
  .strictObject({
    ...about,
    name: texts,
    description: texts,
    features: z.record(z.string(), feature("AdminFeature", texts)),
    is_active: z.boolean(),
    prices: z.array(
      z.strictObject({
        id: Id,
        provider: ProviderName.nullable(),
        provider_ref: z.string().nullable(),
        interval: Interval,
        price: z.strictObject({ amount, currency: Currency }),
        is_active: z.boolean(),
        created_at: Time,
      }),
    ),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: "AdminProduct" });
export type AdminProduct = z.infer<typeof AdminProduct>;

export const AdminProductList = z
  .strictObject({
    catalog: z.string().nullable().meta({ description: "The catalog that was pushed last." }),
    data: z.array(AdminProduct),
  })
  .meta({ id: "AdminProductList" });

const most = 1_000_000_000_000;
const Code = z
  .string()
  .regex(/^[A-Za-z0-9_-]{3,64}$/, "3 to 64 letters, digits, _ and -.")
  .toUpperCase()
  .meta({ examples: ["SPRING-26"] });
const Uses = z.int().min(1).max(1_000_000_000);

export const RedeemCode = z
  .strictObject({ code: text(64).trim() })
  .meta({ id: "RedeemCode", examples: [{ code: "SPRING-26" }] });

export const Redemption = z
  .strictObject({
    code: z.string(),
    credits: Credits,
    subject: z.string().nullable(),
    expires_at: Time.nullable(),
    transaction_id: z.string(),
    available: Credits,
    held: Credits,
    debt: Credits,
  })
  .meta({ id: "Redemption" });
export type Redemption = z.infer<typeof Redemption>;

export const CreatePromoCode = z
  .strictObject({
    code: Code,
    credits: z.int().min(1).max(most),
    valid_days: z.int().min(1).max(3650).optional().meta({ description: "Of the credits." }),
    subject: text(255).optional(),
    audience: Audience.optional(),
    max_redemptions: Uses.optional().meta({ description: "Accounts in all, each once." }),
    starts_at: Moment.optional(),
    expires_at: Moment.optional(),
  })
  .refine(({ starts_at, expires_at }) => !starts_at || !expires_at || starts_at < expires_at, {
    error: "It ends before it begins.",
    path: ["expires_at"],
  })
  .meta({ id: "CreatePromoCode", examples: [{ code: "SPRING-26", credits: 5 }] });

export const UpdatePromoCode = z
  .strictObject({
    is_active: z.boolean().optional(),
    max_redemptions: Uses.nullable().optional(),
    expires_at: Moment.nullable().optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "There is nothing to change.")
  .meta({ id: "UpdatePromoCode", examples: [{ is_active: false }] });

export const PromoCode = z
  .strictObject({
    id: Id,
    code: z.string(),
    credits: Credits,
    valid_days: z.int().nullable(),
    subject: z.string().nullable(),
    audience: Audience.nullable(),
    max_redemptions: z.int().nullable(),
    redemptions: z.int(),
    starts_at: Time.nullable(),
    expires_at: Time.nullable(),
    is_active: z.boolean(),
    created_at: Time,
  })
  .meta({ id: "PromoCode" });
export type PromoCode = z.infer<typeof PromoCode>;

export const PromoCodePage = page(PromoCode);
const { count: _, ...turning } = pageQuery;
export const PromoCodeQuery = z.strictObject({ code: Code.optional(), ...turning });
