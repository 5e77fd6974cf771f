import { z } from "zod";
import { cleanText } from "./clean-text.ts";
import { DeliveryError } from "./delivery-error.ts";
import type { Formats } from "./formats.ts";

/** A message in one language, before it becomes HTML and text. All of it is plain text. */
export type Letter = {
  subject: string;
  paragraphs: string[];
  /** Label and value, one below the other. */
  rows?: [label: string, value: string][];
  action?: { label: string; url: string };
  /** All of it in one or two sentences, for a telephone. A link is added to them. */
  sms: string;
};

/** A kind of message: what its data must be, and how each language says it. */
type KindOf<S extends z.ZodType> = {
  data: S;
  en(data: z.output<S>, formats: Formats): Letter;
  fa(data: z.output<S>, formats: Formats): Letter;
};

export type Kind = {
  /** Throws a final DeliveryError when the data doesn't fit. */
  write(data: unknown, formats: Formats): Letter;
};

/** Makes a kind from its data's schema and its texts. */
export function defineKind<S extends z.ZodType>(kind: KindOf<S>): Kind {
  return {
    write(data, formats) {
      const parsed = kind.data.safeParse(data);
      if (parsed.success) return kind[formats.language](parsed.data, formats);
      const faults = parsed.error.issues.map(
        ({ path, message }) => `${path.map(String).join(".")}: ${message}`,
      );
      const text = cleanText(`the data doesn't fit: ${faults.join("; ")}`, 500);
      throw new DeliveryError(text, { isFinal: true });
    },
  };
}

/** The fields that messages are made of. Texts are cleaned and cut rather than refused. */
export const Line = z.string().transform((text) => cleanText(text));
export const ProductName = z
  .record(z.string(), Line)
  .refine((name) => Object.values(name).some((text) => text !== ""), "has no name");
export const Count = z.int().min(0);
export const At = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
export const Price = { amount: Count, currency: z.string().regex(/^[A-Z]{3}$/, "is no currency") };
/** The opaque name of an order, as it stands in a link. */
export const OrderReference = z.string().regex(/^[\w-]{1,64}$/, "is no reference");
/** The secret of a link that works once. */
export const LinkToken = z.string().regex(/^[\w-]{24,64}$/, "is no token");
