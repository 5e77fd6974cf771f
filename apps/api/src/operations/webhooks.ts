import { createRoute, z } from "@hono/zod-openapi";
import { problems } from "../describe-route.ts";

export const receive = createRoute({
  method: "post",
  path: "/{provider}",
  operationId: "receiveWebhook",
  tags: ["Operations"],
  security: [],
  summary: "Where a payment provider sends its webhooks",
  description:
    "`provider` is `stripe`, `lemonsqueezy` or `sandbox`. The body is verified as the provider " +
    "signs it, and stored before it is answered; any answer but 200 makes the provider send it " +
    "again.",
  request: {
    params: z.object({ provider: z.string() }),
    body: { required: true, content: { "*/*": { schema: z.any() } } },
  },
  responses: {
    200: { description: "It is stored.", content: { "text/plain": { schema: z.string() } } },
    ...problems("signature_invalid", "malformed_body", "not_found", "payload_too_large"),
  },
});
