import { z } from "zod";
import { Event, eventTypes } from "./events.ts";
import { pageQuery } from "./pagination.ts";
import { Id, Time } from "./text.ts";

const known: ReadonlySet<string> = new Set(eventTypes);
const isList = (text: string) => text.split(",").every((type) => known.has(type));

export const EventQuery = z.strictObject({
  after: Id.optional().meta({
    description: "Those after the event of this id; left out: from the oldest that is kept.",
  }),
  type: z
    .string()
    .max(1_000)
    .refine(isList, "A type, or several: a,b.")
    .transform((types) => types.split(","))
    .optional()
    .meta({ description: "One, or several with commas between them." }),
  limit: pageQuery.limit,
});

export const EventPage = z
  .strictObject({
    data: z.array(Event),
    next_cursor: Id.nullable().meta({
      description: "`after` of the next page; null: there are no more now.",
    }),
  })
  .meta({ id: "EventPage" });
export type EventPage = z.infer<typeof EventPage>;

export const StreamQuery = z.strictObject({
  after: z.string().max(4_000).optional().meta({
    description: "The `id` of the last event, where `Last-Event-ID` can't be sent.",
  }),
  ticket: z.string().max(100).optional().meta({
    description: "Instead of a key, for browsers: see `POST /v1/events/tickets`.",
  }),
});

export const CreateStreamTicket = z
  .strictObject({
    generation_id: Id.optional().meta({
      description: "For the stream of this one only; left out: for any stream of the account.",
    }),
  })
  .meta({ id: "CreateStreamTicket", examples: [{}] });

export const StreamTicket = z
  .strictObject({
    ticket: z.string().meta({ description: "Goes into the address of one stream, once." }),
    expires_at: Time,
  })
  .meta({ id: "StreamTicket" });
