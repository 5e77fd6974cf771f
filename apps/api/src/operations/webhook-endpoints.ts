import { Id } from "@ducat/types/text";
import {
  AdminDeliveryPage,
  AdminDeliveryQuery,
  CreateWebhookEndpoint,
  NewWebhookEndpoint,
  ReplayDeliveries,
  ReplayedDeliveries,
  RotateWebhookSecret,
  UpdateWebhookEndpoint,
  WebhookDelivery,
  WebhookDeliveryDetail,
  WebhookDeliveryPage,
  WebhookDeliveryQuery,
  WebhookEndpoint,
  WebhookEndpoints,
  WebhookSecret,
} from "@ducat/types/webhook-endpoints";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  answerWithCsv,
  behindKey,
  ducatAccount,
  forAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

type Whose = {
  tags: string[];
  parameters: (typeof ducatAccount)[];
  refusals: readonly (typeof forAccount)[number][];
  /** The operation's name in generated clients. */
  name: (verb: string, noun: string) => string;
  /** What an act leaves behind, for descriptions. */
  trace: string;
};

const params = z.object({ id: Id });
const deliveryParams = z.object({ id: Id, delivery_id: Id });

const describeChanges = ({ tags, parameters, refusals, name, trace }: Whose) => ({
  create: createRoute({
    method: "post",
    path: "/",
    operationId: name("create", "WebhookEndpoint"),
    tags,
    summary: "Make a webhook endpoint",
    description:
      "Events from now on are sent to it, signed with the secret of this answer. " +
      `\`invalid_state\`: there are as many as may be.${trace}`,
    parameters,
    request: jsonBody(CreateWebhookEndpoint),
    middleware: [readJson] as const,
    responses: {
      201: answer(NewWebhookEndpoint, "It is enabled."),
      ...problems(...refusals, ...withBody, "invalid_state"),
    },
  }),
  update: createRoute({
    method: "patch",
    path: "/{id}",
    operationId: name("update", "WebhookEndpoint"),
    tags,
    summary: "Change a webhook endpoint",
    description: `What waits for it is sent to its new address.${trace}`,
    parameters,
    request: { params, ...jsonBody(UpdateWebhookEndpoint) },
    middleware: [readJson] as const,
    responses: {
      200: answer(WebhookEndpoint, "As it is now."),
      ...problems(...refusals, ...withBody, "not_found"),
    },
  }),
  remove: createRoute({
    method: "delete",
    path: "/{id}",
    operationId: name("delete", "WebhookEndpoint"),
    tags,
    summary: "Remove a webhook endpoint",
    description: `What waits for it is given up; it can't be had back.${trace}`,
    parameters,
    request: { params },
    responses: { 204: { description: "It is gone." }, ...problems(...refusals, "not_found") },
  }),
  rotate: createRoute({
    method: "post",
    path: "/{id}/rotate",
    operationId: name("rotate", "WebhookEndpointSecret"),
    tags,
    summary: "Give a webhook endpoint a new secret",
    description: `The former one signs beside it for a while.${trace}`,
    parameters,
    request: { params, ...jsonBody(RotateWebhookSecret) },
    middleware: [readJson] as const,
    responses: {
      200: answer(WebhookSecret, "What signs from now on."),
      ...problems(...refusals, ...withBody, "not_found"),
    },
  }),
});

const describeReads = ({ tags, parameters, refusals, name }: Whose) => ({
  list: createRoute({
    method: "get",
    path: "/",
    operationId: name("list", "WebhookEndpoints"),
    tags,
    summary: "List webhook endpoints",
    parameters,
    responses: {
      200: answer(WebhookEndpoints, "All of them, the newest first."),
      ...problems(...refusals),
    },
  }),
  get: createRoute({
    method: "get",
    path: "/{id}",
    operationId: name("get", "WebhookEndpoint"),
    tags,
    summary: "A webhook endpoint",
    parameters,
    request: { params },
    responses: {
      200: answer(WebhookEndpoint, "As it is now."),
      ...problems(...refusals, "not_found"),
    },
  }),
  secret: createRoute({
    method: "get",
    path: "/{id}/secret",
    operationId: name("get", "WebhookEndpointSecret"),
    tags,
    summary: "What signs a webhook endpoint's events",
    parameters,
    request: { params },
    responses: { 200: answer(WebhookSecret, "Now."), ...problems(...refusals, "not_found") },
  }),
});

const describeDeliveries = ({ tags, parameters, refusals, name, trace }: Whose) => ({
  test: createRoute({
    method: "post",
    path: "/{id}/test",
    operationId: name("test", "WebhookEndpoint"),
    tags,
    summary: "Send a test event",
    description:
      "A `webhook.test`, to this endpoint alone, whatever its filter. Its log is under " +
      `\`deliveries\`. \`invalid_state\`: the endpoint is disabled.${trace}`,
    parameters,
    request: { params },
    responses: {
      201: answer(WebhookDelivery, "It is on its way."),
      ...problems(...refusals, "not_found", "invalid_state"),
    },
  }),
  replay: createRoute({
    method: "post",
    path: "/{id}/replay",
    operationId: name("replay", "WebhookDeliveries"),
    tags,
    summary: "Send events of a time again",
    description:
      "Ask again with the last of `ids` as `after` until `count` is below the limit. " +
      "`invalid_state`: the endpoint is disabled. " +
      `\`dry_run\` only tells.${trace}`,
    parameters,
    request: { params, ...jsonBody(ReplayDeliveries) },
    middleware: [readJson] as const,
    responses: {
      200: answer(ReplayedDeliveries, "Those that are on their way."),
      ...problems(...refusals, ...withBody, "not_found", "invalid_state"),
    },
  }),
  deliveries: createRoute({
    method: "get",
    path: "/{id}/deliveries",
    operationId: name("list", "WebhookDeliveries"),
    tags,
    summary: "What was sent to a webhook endpoint, newest first",
    parameters,
    request: { params, query: WebhookDeliveryQuery },
    responses: {
      200: answer(WebhookDeliveryPage, "A page of them."),
      ...problems(...refusals, "not_found", "validation_failed"),
    },
  }),
  delivery: createRoute({
    method: "get",
    path: "/{id}/deliveries/{delivery_id}",
    operationId: name("get", "WebhookDelivery"),
    tags,
    summary: "A delivery with its event",
    parameters,
    request: { params: deliveryParams },
    responses: {
      200: answer(WebhookDeliveryDetail, "As it is now."),
      ...problems(...refusals, "not_found"),
    },
  }),
  replayOne: createRoute({
    method: "post",
    path: "/{id}/deliveries/{delivery_id}/replay",
    operationId: name("replay", "WebhookDelivery"),
    tags,
    summary: "Send one event again",
    description:
      "With the same `webhook-id`, whether it arrived or not. `invalid_state`: the endpoint is " +
      `disabled, or the event is no longer kept.${trace}`,
    parameters,
    request: { params: deliveryParams },
    responses: {
      200: answer(WebhookDelivery, "It is on its way."),
      ...problems(...refusals, "not_found", "invalid_state"),
    },
  }),
});

const describe = (whose: Whose) => ({
  ...describeChanges(whose),
  ...describeReads(whose),
  ...describeDeliveries(whose),
});
export type EndpointOperations = ReturnType<typeof describe>;

/** The endpoints of an account. */
export const ofAccount = describe({
  tags: ["Webhooks"],
  parameters: [ducatAccount],
  refusals: forAccount,
  name: (verb, noun) => `${verb}${noun}`,
  trace: "",
});

/** The deployment's own, which hear of all accounts. */
export const ofDeployment = describe({
  tags: ["Admin"],
  parameters: [],
  refusals: behindKey,
  name: (verb, noun) => `admin${verb[0]?.toUpperCase()}${verb.slice(1)}${noun}`,
  trace: " Leaves an audit line.",
});

export const allDeliveries = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListDeliveries",
  tags: ["Admin"],
  summary: "Events on their way to anybody's endpoint, newest first",
  request: { query: AdminDeliveryQuery },
  responses: {
    200: answerWithCsv(AdminDeliveryPage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

const secretTags = ["Webhooks"];

export const accountSecret = createRoute({
  method: "get",
  path: "/",
  operationId: "getWebhookSecret",
  tags: secretTags,
  summary: "What signs events that are sent to a `webhook_url`",
  description: "One for all generations of the account.",
  parameters: [ducatAccount],
  responses: { 200: answer(WebhookSecret, "Now."), ...problems(...forAccount) },
});

export const rotateAccountSecret = createRoute({
  method: "post",
  path: "/rotate",
  operationId: "rotateWebhookSecret",
  tags: secretTags,
  summary: "Put a new secret in its place",
  description: "The former one signs beside it for a while.",
  parameters: [ducatAccount],
  request: jsonBody(RotateWebhookSecret),
  middleware: [readJson] as const,
  responses: {
    200: answer(WebhookSecret, "What signs from now on."),
    ...problems(...forAccount, ...withBody),
  },
});
