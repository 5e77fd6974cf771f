import { z } from "zod";

/**
 * Run one generation item. Ids only: job data is stored in clear text, so no prompt, no URL, no
 * person. `attempt` is the number of claims made before this job was added (0 for the first).
 * Unknown keys are dropped, so a newer API can add one while older workers still run.
 */
export const RunItem = z.object({
  accountId: z.uuid(),
  generationId: z.uuid(),
  itemId: z.uuid(),
  attempt: z.int().min(0),
});
export type RunItem = z.infer<typeof RunItem>;

/** Process one stored webhook. Its row decides whether there is anything to do. */
const ProcessWebhook = z.object({ eventId: z.uuid() });
export type ProcessWebhook = z.infer<typeof ProcessWebhook>;

/** Every job there is: its name, which is also the name of its BullMQ queue, and its payload. */
export const jobs = { "run-item": RunItem, "process-webhook": ProcessWebhook } as const;

export type JobName = keyof typeof jobs;
export type JobData<N extends JobName> = z.infer<(typeof jobs)[N]>;
