import { z } from "@hono/zod-openapi";

const page = { "text/html": { schema: { type: "string" } } } as const;
const tags = ["Pages"];
const inPath = (name: string) =>
  ({ name, in: "path", required: true, schema: { type: "string" } }) as const;
const answers = (descriptions: Record<number, string>) =>
  Object.fromEntries(
    Object.entries(descriptions).map(([status, description]) => [
      status,
      { description, ...(status !== "303" && { content: page }) },
    ]),
  );

/** What customers' browsers open: pages and redirects, no JSON. */
export const pay = {
  method: "get",
  path: "/{reference}",
  operationId: "openPayLink",
  tags,
  security: [],
  summary: "A pay link",
  description: "Sends on to the provider's page, which is opened anew where it has ended.",
  parameters: [inPath("reference")],
  responses: answers({
    303: "To the page, or to what became of the order.",
    404: "There is no such order.",
    409: "Somebody else is opening it at this moment; the page loads itself again.",
    410: "It can't be paid any more.",
    502: "The provider can't be reached.",
  }),
} as const;

export const done = {
  method: "get",
  path: "/{reference}/done",
  operationId: "showOrder",
  tags,
  security: [],
  summary: "What became of an order",
  description: "Asks the provider, then sends on to the order's own page or shows the state.",
  parameters: [inPath("reference")],
  responses: answers({
    200: "The state.",
    303: "To the order's `return_url`.",
    404: "There is no such order.",
  }),
} as const;

export const callback = {
  method: "get",
  path: "/{provider}",
  operationId: "receiveCallback",
  tags,
  security: [],
  summary: "Where a provider without webhooks sends customers back",
  description:
    "For ZarinPal. Nothing in the address is taken for money: the provider is asked, with the " +
    "amount of our own order.",
  parameters: [inPath("provider")],
  responses: answers({ 303: "To the order's page.", 404: "There is no such order." }),
} as const;

const sandbox = {
  path: "/{page}/{document}",
  tags,
  security: [],
  description: "In test mode only. No money moves here.",
  parameters: [inPath("page"), inPath("document")],
} as const;

export const showSandbox = {
  ...sandbox,
  method: "get",
  operationId: "showSandboxPage",
  summary: "A page of the sandbox: `checkout` or `portal`",
  responses: answers({ 200: "The page.", 404: "There is none.", 410: "It has ended." }),
} as const;

export const useSandbox = {
  ...sandbox,
  method: "post",
  operationId: "submitSandboxPage",
  summary: "A choice on a page of the sandbox",
  request: {
    body: {
      content: {
        "application/x-www-form-urlencoded": { schema: z.record(z.string(), z.string()) },
      },
    },
  },
  responses: answers({ 200: "The page.", 303: "Back to the shop.", 404: "There is none." }),
} as const;
