import { z } from "zod";

/** Whether PostgreSQL can store the text and UTF-8 can carry it. */
export const isStorable = (text: string): boolean =>
  // The u flag takes a pair of surrogates for one character, so that only lone ones are found.
  !text.includes("\0") && !/\p{Surrogate}/u.test(text);

/** A text of 1 to `most` characters (UTF-16 units) that can be stored as it is. */
export const text = (most: number) =>
  z.string().min(1).max(most).refine(isStorable, "NUL and lone surrogates are not accepted.");

/** An address in the web; whether it may be asked is judged where it is. */
export const WebUrl = z
  .string()
  .max(2048)
  .regex(/^https?:\/\/[!-~]+$/, "An absolute http or https URL in ASCII.")
  .refine((url) => URL.canParse(url), "Not a URL.");

/** The id of anything but an account or a style: made by the database. */
export const Id = z.uuid().meta({ examples: ["01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1"] });

/** A moment in a query: RFC 3339 with an offset, from 1970 to 9999. */
export const Moment = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  .refine((date) => {
    const year = date.getUTCFullYear();
    return year >= 1970 && year <= 9999;
  }, "The year is from 1970 to 9999.");

/** A moment in an answer: RFC 3339, UTC, milliseconds. */
export const Time = z.iso
  .datetime({ precision: 3 })
  .meta({ examples: ["2026-11-20T09:30:00.000Z"] });

/** An account's id or external id, in a path. */
export const Reference = z.string().regex(/^[!-~]{1,255}$/);
