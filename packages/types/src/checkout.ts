import { z } from "zod";
import { jsonObject } from "./json-object.ts";
import { Id, Time, text } from "./text.ts";

/** Where customers are sent back to; which sites these may be is the deployment's to say. */
export const ReturnUrl = z
  .url({ protocol: /^https?$/, error: "This is no address of a web page." })
  .max(2048)
  .meta({ examples: ["https://app.example.com/billing"] });

export const ProviderName = z.enum(["stripe", "lemonsqueezy", "zarinpal", "sandbox"]);
export const Currency = z
  .string()
  .regex(/^[A-Z]{3}$/, "Three capital letters, as in USD.")
  .meta({ examples: ["USD"] });

/** What the caller wants to find again with the payment. */
export const Metadata = jsonObject({ bytes: 1024, members: 50, depth: 4 });

export const ProductKey = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "A product's key.");

/** A price by its id, or a product by its key, of whose prices one is chosen. */
const choice = {
  price_id: Id.optional(),
  product: ProductKey.optional().meta({ description: "Its key. Instead of `price_id`." }),
  interval: z.enum(["once", "month", "year"]).optional(),
  currency: Currency.optional(),
};
/** For `refine`: one of the two, and not both. */
export const namesOne = (value: { price_id?: unknown; product?: unknown }): boolean =>
  (value.price_id === undefined) !== (value.product === undefined);
export const oneOf = { error: "Either price_id or product.", path: ["price_id"] };

export const CreateCheckout = z
  .strictObject({
    ...choice,
    provider: ProviderName.optional().meta({ description: "Unnamed, one that fits is chosen." }),
    subject: text(255)
      .optional()
      .meta({ description: "What it is bought for, where it is bound." }),
    return_url: ReturnUrl,
    save_card: z
      .boolean()
      .default(false)
      .meta({ description: "Keep the card for auto-reload; the customer has agreed to that." }),
    metadata: Metadata.default({}),
  })
  .refine(namesOne, oneOf)
  .meta({
    id: "CreateCheckout",
    examples: [{ product: "pack_10", return_url: "http://localhost:3000/billing" }],
  });
export type CreateCheckout = z.infer<typeof CreateCheckout>;

export const Checkout = z
  .strictObject({
    url: z.url().meta({ description: "Send the customer there." }),
    payment_id: Id,
    expires_at: Time.nullable().meta({ description: "Of the page; null where it doesn't say." }),
  })
  .meta({ id: "Checkout" });
export type Checkout = z.infer<typeof Checkout>;

export const ChangePlan = z
  .strictObject(choice)
  .refine(namesOne, oneOf)
  .meta({ id: "ChangePlan", examples: [{ product: "pro" }] });
export type ChangePlan = z.infer<typeof ChangePlan>;

export const OpenPortal = z
  .strictObject({ return_url: ReturnUrl })
  .meta({ id: "OpenPortal", examples: [{ return_url: "http://localhost:3000/billing" }] });

export const Portal = z
  .strictObject({
    url: z.url().meta({ description: "Short-lived: send the customer there at once." }),
    expires_at: Time.nullable(),
  })
  .meta({ id: "Portal" });
export type Portal = z.infer<typeof Portal>;
