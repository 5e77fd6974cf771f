import { z } from "zod";
import { Time } from "./text.ts";

type Rule = {
  schema: z.ZodType;
  default: unknown;
  /** Whether anybody may read it, as a front end does. */
  isPublic: boolean;
  description: string;
};

/**
 * What operators may set while everything runs: the only rows of admin_config that are theirs. SQL
 * functions that read one know its default too (sql/config.sql; a test compares them).
 */
export const settings = {
  trial_credits: {
    schema: z.int().min(0).max(1_000_000_000_000),
    default: 3,
    isPublic: true,
    description:
      "What a new account gets once. Comes with the catalog until it is set here; deleted, it is " +
      "the catalog's again.",
  },
  audit_retention_days: {
    schema: z.int().min(90).max(3650),
    default: 400,
    isPublic: false,
    description: "For how many days audit lines are kept.",
  },
} as const satisfies Record<string, Rule>;

export type SettingKey = keyof typeof settings;
export type SettingValue<K extends SettingKey> = z.infer<(typeof settings)[K]["schema"]>;

export const settingKeys = Object.keys(settings) as [SettingKey, ...SettingKey[]];
export const SettingKey = z.enum(settingKeys);

/**
 * The value that a row of admin_config gives a setting; its default where there is no row, or one
 * that doesn't fit (written by hand).
 */
export function readSetting<K extends SettingKey>(key: K, stored: unknown): SettingValue<K> {
  const parsed = settings[key].schema.safeParse(stored);
  return (parsed.success ? parsed.data : settings[key].default) as SettingValue<K>;
}

export const Setting = z
  .strictObject({
    key: SettingKey,
    value: z.unknown().meta({ description: "In force now." }),
    default: z.unknown(),
    description: z.string(),
    is_public: z.boolean(),
    is_set: z.boolean().meta({ description: "By hand, instead of the default or the catalog." }),
    updated_at: Time.nullable().meta({ description: "Null: nobody ever set it." }),
    updated_by: z.string().nullable(),
  })
  .meta({ id: "Setting" });
export type Setting = z.infer<typeof Setting>;

export const SettingList = z.strictObject({ data: z.array(Setting) }).meta({ id: "SettingList" });

/** PostgreSQL has no year 0, which Time lets through. */
const SeenTime = Time.refine((time) => time >= "1970", "The year is from 1970 to 9999.");

const seen = SeenTime.nullable().meta({
  description:
    "What you saw as `updated_at`: refused as `invalid_state` when it has been set meanwhile. " +
    "Left out, nobody compares.",
});

export const SetSetting = z
  .strictObject({ value: z.unknown(), updated_at: seen.optional() })
  .meta({ id: "SetSetting", examples: [{ value: 5 }] });

export const ResetSettingQuery = z.strictObject({ updated_at: SeenTime.optional() });

/** What a front end may know. */
export const PublicConfig = z
  .strictObject({ trial_credits: settings.trial_credits.schema })
  .meta({ id: "PublicConfig", examples: [{ trial_credits: 3 }] });
export type PublicConfig = z.infer<typeof PublicConfig>;
