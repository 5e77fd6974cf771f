import {
  AddAllowance,
  Allowance,
  AssignPlan,
  Entitlements,
  FeatureKey,
  Override,
  SetOverride,
} from "@ducat/types/entitlements";
import { Reference } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  behindKey,
  idempotencyKey,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Admin"];
const params = z.object({ id: Reference });
const ofFeature = z.object({ id: Reference, feature: FeatureKey });

export const setOverride = createRoute({
  method: "put",
  path: "/{id}/features/{feature}",
  operationId: "adminSetOverride",
  tags,
  summary: "Say for one account what a feature allows",
  description: "Instead of its plan and passes. Leaves an audit line.",
  request: { params: ofFeature, ...jsonBody(SetOverride) },
  middleware: [readJson] as const,
  responses: {
    200: answer(Override, "In force at once, everywhere."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});

export const removeOverride = createRoute({
  method: "delete",
  path: "/{id}/features/{feature}",
  operationId: "adminRemoveOverride",
  tags,
  summary: "Let plan and passes decide again",
  description: "Also where nothing else was said. Leaves an audit line.",
  request: { params: ofFeature },
  responses: { 204: { description: "They do." }, ...problems(...behindKey, "not_found") },
});

export const addAllowance = createRoute({
  method: "post",
  path: "/{id}/allowances",
  operationId: "adminAddAllowance",
  tags,
  summary: "Give stock of a feature",
  description: "Leaves an audit line.",
  parameters: [idempotencyKey],
  request: { params, ...jsonBody(AddAllowance) },
  middleware: [readJson] as const,
  responses: {
    201: answer(Allowance, "It can be used."),
    ...problems(
      ...behindKey,
      ...withBody,
      "not_found",
      "idempotency_key_required",
      "idempotency_conflict",
    ),
  },
});

export const assignPlan = createRoute({
  method: "put",
  path: "/{id}/plan",
  operationId: "adminAssignPlan",
  tags,
  summary: "Give an account a plan",
  description: "Without a payment, as for plans that are sold by agreement. Leaves an audit line.",
  request: { params, ...jsonBody(AssignPlan) },
  middleware: [readJson] as const,
  responses: {
    200: answer(Entitlements, "What it may do now."),
    ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
  },
});

export const liftPlan = createRoute({
  method: "delete",
  path: "/{id}/plan",
  operationId: "adminUnassignPlan",
  tags,
  summary: "Take an assigned plan away",
  description:
    "The account is on the default plan again, at once; what is paid for goes on. Also where " +
    "none was assigned. Leaves an audit line.",
  request: { params },
  responses: {
    200: answer(Entitlements, "What it may do now."),
    ...problems(...behindKey, "not_found"),
  },
});
