import { z } from "zod";
import { BatchProgress } from "./batch-progress.ts";
import { Charged, CreditType } from "./credits.ts";
import { CheckedFeature } from "./entitlements.ts";
import { findExcess, jsonObject } from "./json-object.ts";
import { orNull } from "./or-null.ts";
import { page, pageQuery } from "./pagination.ts";
import { PriceLine } from "./pricing.ts";
import { Id, Moment, Time, text, WebUrl } from "./text.ts";

const PhotoInput = z
  .strictObject({
    type: z.literal("photo"),
    photo_id: Id.optional().meta({ description: "An upload of this account." }),
    photo_url: WebUrl.optional(),
  })
  .refine(
    ({ photo_id, photo_url }) => (photo_id === undefined) !== (photo_url === undefined),
    "Exactly one of photo_id and photo_url.",
  )
  .meta({ id: "PhotoInput" });
const AddressInput = z
  .strictObject({ type: z.literal("address"), address: text(500) })
  .meta({ id: "AddressInput" });
const TextInput = z
  .strictObject({ type: z.literal("text"), prompt: text(4000) })
  .meta({ id: "TextInput" });

/** What a generation starts from. */
export const Input = z
  .discriminatedUnion("type", [PhotoInput, AddressInput, TextInput])
  .meta({ id: "Input" });
export type Input = z.infer<typeof Input>;

/** Who is told when a generation has ended. */
export const WebhookUrl = WebUrl.meta({
  description: "Gets the signed event of its end; a public https address. Not shown again.",
});

/** A part of the picture or property: one item, priced and paid back on its own. */
const Area = z
  .union([text(200), z.strictObject({ label: text(200).optional() })])
  .meta({ id: "Area" });

export const simulations = ["error", "flaky", "slow", "timeout", "crash"] as const;

const paramBounds = { bytes: 4096, members: 50, depth: 4 };
/** What a style takes beside the input. */
export const Params = z
  .object({
    simulate: z
      .enum(simulations)
      .optional()
      .meta({ description: "Test mode only: makes the local generator misbehave." }),
  })
  .catchall(z.unknown())
  .superRefine((params, context) => {
    const message = findExcess(params, paramBounds);
    if (message) context.addIssue({ code: "custom", message });
  })
  .meta({ id: "Params" });

export const CreateGeneration = z
  .strictObject({
    style: text(100),
    input: Input,
    areas: z
      .array(Area)
      .min(1)
      .max(100)
      .optional()
      .meta({ description: "One item each; without it there is one item." }),
    n: z
      .int()
      .min(1)
      .max(10)
      .optional()
      .meta({ description: "So many items for each area, each priced on its own; default 1." }),
    params: Params.optional(),
    subject: text(255).optional().meta({ description: "Credits bound to it are spent first." }),
    reference: text(255).optional(),
    metadata: jsonObject({ bytes: 8192, members: 50, depth: 4 }).optional(),
    webhook_url: WebhookUrl.optional(),
  })
  .meta({
    id: "CreateGeneration",
    examples: [
      {
        style: "modern_minimalist",
        input: { type: "text", prompt: "A small city garden" },
        areas: ["Front yard", { label: "Terrace" }],
      },
    ],
  });
export type CreateGeneration = z.infer<typeof CreateGeneration>;

export const Status = z.enum(["pending", "processing", "completed", "failed", "canceled"]);

const StyleRef = z.strictObject({ id: z.string(), version: z.int() }).meta({ id: "StyleRef" });

/** What an item costs at most, and why. */
export const Price = z
  .strictObject({
    unit: z.int().meta({ description: "Credits that are set aside for each item." }),
    lines: z.array(PriceLine).meta({ description: "They add up to it." }),
  })
  .meta({ id: "Price" });
export type Price = z.infer<typeof Price>;

const PictureOutput = z
  .strictObject({
    url: z.string().meta({ description: "Signed; works for an hour." }),
    type: z.string(),
    width: z.int(),
    height: z.int(),
    size: z.int(),
    sha256: z.string(),
    thumbnail_url: z.string().nullable().meta({
      description:
        "Of a WebP, at most 320 pixels a side; signed as well. Null: there is none of it.",
    }),
  })
  .meta({ id: "PictureOutput" });
const TextOutput = z.strictObject({ text: z.string() }).meta({ id: "TextOutput" });

export const Output = z.union([PictureOutput, TextOutput]).meta({ id: "Output" });
export type Output = z.infer<typeof Output>;

export const Item = z
  .strictObject({
    id: Id,
    label: z.string().nullable(),
    position: z.int().min(0),
    status: Status,
    cost: z.int(),
    refunded: z.int(),
    charge: z.array(PriceLine).nullable().meta({
      description: "What it really cost, line by line; null: it has not ended well, or as priced.",
    }),
    output: orNull(Output),
    output_removed_at: Time.nullable().meta({
      description: "When the output went: it was older than the plan keeps results.",
    }),
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    attempts: z.int(),
    started_at: Time.nullable(),
    completed_at: Time.nullable(),
    processing_time_ms: z.int().nullable(),
  })
  .meta({ id: "Item" });
export type Item = z.infer<typeof Item>;

export const Generation = z
  .strictObject({
    id: Id,
    style: StyleRef,
    input: z.record(z.string(), z.unknown()),
    params: z.record(z.string(), z.unknown()),
    subject: z.string().nullable(),
    reference: z.string().nullable(),
    retry_of: Id.nullable(),
    status: Status,
    cost: z.int(),
    price: Price,
    charged: Charged,
    credit_type: CreditType,
    balance: z.int().meta({ description: "What was available right after it was paid." }),
    items: z.array(Item),
    failed_items: z.int(),
    canceled_items: z.int(),
    created_at: Time,
    completed_at: Time.nullable(),
    deadline_at: Time,
    metadata: z.record(z.string(), z.unknown()),
    batch: BatchProgress.optional().meta({
      description: "Of a batch: its `items` are the first 100 here.",
    }),
  })
  .meta({ id: "Generation" });
export type Generation = z.infer<typeof Generation>;

export const GenerationQuery = z.strictObject({
  status: Status.optional(),
  style: text(100).optional(),
  from: Moment.optional(),
  to: Moment.optional(),
  ...pageQuery,
});
export const GenerationPage = page(Generation);

/** What a generation would cost and whether the account can pay it now. */
export const Estimate = z
  .strictObject({
    style: StyleRef,
    items: z.int(),
    cost: z.int(),
    price: Price,
    charged: Charged,
    credit_type: CreditType,
    available: z.int().meta({ description: "Spendable for this subject." }),
    quota: CheckedFeature.omit({ allowed: true })
      .nullable()
      .meta({ description: "The plan's quota that has no room for it; null: none." }),
    sufficient: z.boolean().meta({ description: "Credits and quotas let it pass now." }),
  })
  .meta({ id: "Estimate" });
export type Estimate = z.infer<typeof Estimate>;

export const RefundGeneration = z
  .strictObject({
    items: z
      .array(Id)
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: "Without it: every completed item." }),
    reason: text(500),
  })
  .meta({ id: "RefundGeneration", examples: [{ reason: "The terrace is missing" }] });

export const Refund = z
  .strictObject({
    generation_id: Id,
    items: z.int().meta({ description: "How many were paid back." }),
    credits: z.int(),
  })
  .meta({ id: "Refund" });
export type Refund = z.infer<typeof Refund>;
