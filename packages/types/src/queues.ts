import { z } from "zod";
import { Time } from "./text.ts";

/** A browser's way to the queues' dashboard. */
export const QueueTicket = z
  .strictObject({
    url: z.url().meta({ description: "Opens the dashboard once; whoever has it gets in." }),
    expires_at: Time,
  })
  .meta({ id: "QueueTicket" });

export const QueueTicketQuery = z.object({ ticket: z.string().max(100).optional() });
