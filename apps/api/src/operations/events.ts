import {
  CreateStreamTicket,
  EventPage,
  EventQuery,
  StreamQuery,
  StreamTicket,
} from "@ducat/types/event-streams";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  jsonBody,
  lastEventId,
  problems,
  withBody,
} from "../describe-route.ts";

const params = z.object({ id: Id });
const tags = ["Events"];

const eventStream = (description: string) => ({
  description:
    `${description} Each event has an \`id\`: whoever sends the last one in \`Last-Event-ID\` ` +
    "misses nothing and gets nothing twice. See docs/events.md.",
  content: { "text/event-stream": { schema: { type: "string" as const } } },
});

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listEvents",
  tags,
  summary: "What happened, oldest first",
  description: "In the order in which the stream tells it; kept for 30 days.",
  parameters: [ducatAccount],
  request: { query: EventQuery },
  responses: {
    200: answer(EventPage, "A page of them."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const stream = createRoute({
  method: "get",
  path: "/stream",
  operationId: "streamEvents",
  tags,
  summary: "What happens, as it happens",
  description:
    "Server-sent events: all that `GET /v1/events` lists, `balance` when credits move, and " +
    "`item.started`, `item.progress` and `item.text` of the work that goes on. Begins with the " +
    "balance and what happens from now on.",
  parameters: [ducatAccount, lastEventId],
  request: { query: StreamQuery },
  responses: {
    200: eventStream("Until its reader leaves, for an hour at most."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const createTicket = createRoute({
  method: "post",
  path: "/tickets",
  operationId: "createStreamTicket",
  tags,
  summary: "Let a browser open a stream",
  description:
    "An EventSource sends no key. Put `ticket` into the address of a stream within a minute: it " +
    "opens one, with the rights that you have.",
  parameters: [ducatAccount],
  request: jsonBody(CreateStreamTicket),
  middleware: [readJson] as const,
  responses: {
    201: answer(StreamTicket, "The way in."),
    ...problems(...forAccount, ...withBody),
  },
});

export const streamGeneration = createRoute({
  method: "get",
  path: "/{id}/events",
  operationId: "streamGeneration",
  tags,
  summary: "The work on a generation, as it goes on",
  description:
    "Server-sent events from its beginning: `item.started`, `item.progress`, `item.text`, and " +
    "each item as it ends. After `generation.completed`, `.failed` or `.canceled` it closes.",
  parameters: [ducatAccount, lastEventId],
  request: { params, query: StreamQuery },
  responses: {
    200: eventStream("Until the generation has ended."),
    204: { description: "It has ended, and the reader knows it." },
    ...problems(...forAccount, "validation_failed"),
  },
});
