import { createDucat } from "../src/ducat.ts";
import { isDucatError } from "../src/errors.ts";
import { verifyWebhook } from "../src/webhooks.ts";

/** What the page's own server gives it. */
export type Given = {
  baseUrl: string;
  /** A picture in base64. */
  photo: string;
  webhook: { body: string; headers: Record<string, string>; secret: string };
};

/** What the page does with the client. */
async function drivePage(given: Given) {
  const ducat = createDucat({
    baseUrl: given.baseUrl,
    token: async () => (await fetch("/token", { method: "POST" })).text(),
  });
  const bytes = Uint8Array.from(atob(given.photo), (letter) => letter.charCodeAt(0));
  const { id: photo_id } = await ducat.uploads.create(new Blob([bytes], { type: "image/jpeg" }));
  const { id } = await ducat.generations.create({
    style: "modern_minimalist",
    input: { type: "photo", photo_id },
    areas: ["Front", "Back"],
  });
  const types: string[] = [];
  for await (const { type } of ducat.generations.stream(id)) types.push(type);
  const listed: string[] = [];
  for await (const one of ducat.generations.list({ limit: 1 })) listed.push(one.id);
  const heard: string[] = [];
  for await (const { type } of ducat.events.stream()) {
    heard.push(type);
    break;
  }
  // With a ticket, as an EventSource opens it.
  const { ticket } = await ducat.events.ticket({ generation_id: id });
  const viaTicket = await listen(`${given.baseUrl}/v1/generations/${id}/events?ticket=${ticket}`);
  const refusal = await ducat.request("GET /v1/admin/stats").catch((error) => error);
  return {
    types: [...new Set(types)],
    ...{ id, listed, heard, viaTicket },
    refusal: isDucatError(refusal) ? [refusal.code, refusal.requestId !== undefined] : null,
    event: await verifyWebhook(given.webhook),
    tampered: await verifyWebhook({ ...given.webhook, body: "{}" }).catch(({ code }) => code),
  };
}

type Source = {
  addEventListener(type: string, hear: () => void): void;
  close(): void;
};

/** The first of these that an EventSource tells. */
function listen(url: string): Promise<string> {
  const { EventSource } = globalThis as unknown as { EventSource: new (url: string) => Source };
  const source = new EventSource(url);
  return new Promise((resolve) => {
    for (const type of ["generation.completed", "error"]) {
      source.addEventListener(type, () => {
        source.close();
        resolve(type);
      });
    }
  });
}

// Run in a browser by browser.test.ts.
const told = await fetch("/given")
  .then(async (answer) => drivePage((await answer.json()) as Given))
  .catch((error: Error) => ({ error: error.stack ?? error.message }));
await fetch("/told", { method: "POST", body: JSON.stringify(told) });
