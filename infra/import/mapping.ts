import { z } from "zod";

export const systemNames = [
  "landscape",
  "generation-api",
  "letters",
  "stylist",
  "copywriter",
] as const;

/** What a plan of theirs is here. */
export const PlanRule = z.strictObject({
  /** The key of a plan or pass of the catalog. */
  product: z.string().min(1).max(100),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .optional(),
  interval: z.enum(["month", "year"]).default("month"),
  /**
   * What the provider calls this plan, where their database doesn't say: renewals name it. Null:
   * unknown; then somebody must look after the first renewal.
   */
  plan_ref: z.string().min(1).max(255).nullable().optional(),
});
export type PlanRule = z.infer<typeof PlanRule>;

const Name = z.string().min(1).max(200);

/** The file that `pnpm import --mapping` reads; docs/import.md tells of each member. */
export const Mapping = z
  .strictObject({
    /** Part of every effect key: never change it between two runs. */
    source: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,29}$/, "is a short name as in landscape-2025"),
    system: z.enum(systemNames),
    schema: Name.default("public"),
    tables: z
      .record(
        Name,
        z.strictObject({ name: Name.optional(), columns: z.record(Name, Name).default({}) }),
      )
      .default({}),
    accounts: z
      .strictObject({
        existing: z.enum(["refuse", "join"]).default("refuse"),
        clashing_addresses: z.enum(["refuse", "leave_out"]).default("refuse"),
        locale: z.string().min(2).max(16).default("en"),
        phone_countries: z
          .array(z.string().regex(/^[A-Z]{2}$/))
          .max(50)
          .default([]),
      })
      .prefault({}),
    logins: z
      .strictObject({
        emails: z.enum(["none", "unverified", "verified"]).default("unverified"),
        phones: z.enum(["none", "proven", "all"]).default("proven"),
        passwords: z.boolean().default(true),
        issuer: z.string().min(1).max(255).nullable().default(null),
      })
      .prefault({}),
    plans: z.record(z.string().max(255), z.union([z.literal("none"), PlanRule])).default({}),
    unknown_plans: z.enum(["fail", "skip", "default"]).default("fail"),
    default_plan: PlanRule.optional(),
    unknown_periods: z.enum(["fail", "skip"]).default("fail"),
    /** Of amounts whose row names none. */
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/)
      .default("USD"),
    styles: z
      .strictObject({
        generator: Name,
        kind: z.enum(["image", "text"]).default("image"),
        category: Name,
        cost: z.int().min(0).max(1_000_000),
      })
      .nullable()
      .default(null),
    /** Their key of admin_config: ours. */
    config: z.record(Name, Name).default({}),
    files: z
      .strictObject({ hosts: z.array(z.string().regex(/^[a-z0-9.-]+(:\d+)?$/)).max(100) })
      .default({ hosts: [] }),
  })
  .refine(({ unknown_plans, default_plan }) => unknown_plans !== "default" || default_plan, {
    path: ["default_plan"],
    message: "is needed where unknown_plans is default",
  });
export type Mapping = z.infer<typeof Mapping>;

/** Reads a mapping; throws an Error that names each fault's path. */
export function parseMapping(value: unknown): Mapping {
  const parsed = Mapping.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "The mapping"}: ${message}`,
  );
  throw new Error(faults.join("\n"));
}
