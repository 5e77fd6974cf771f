import { z } from "zod";
import type { Fault } from "./errors.ts";
import { text } from "./text.ts";

const mostFaults = 20;
const longestPointer = 200;

const description = text(500).optional();
const length = z.int().min(0).max(4_000);

const Words = z
  .strictObject({
    type: z.literal("string"),
    description,
    enum: z.array(text(100)).min(1).max(100).optional(),
    minLength: length.optional(),
    maxLength: length.optional(),
    default: text(500).optional(),
  })
  .meta({ id: "TextParam" });
const Count = z
  .strictObject({
    type: z.enum(["integer", "number"]),
    description,
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    default: z.number().optional(),
  })
  .meta({ id: "NumberParam" });
const Flag = z
  .strictObject({
    type: z.literal("boolean"),
    description,
    default: z.boolean().optional(),
  })
  .meta({ id: "FlagParam" });
/** Members of the caller's own naming. */
const Members = z
  .strictObject({
    type: z.literal("object"),
    description,
    additionalProperties: Words,
    maxProperties: z.int().min(1).max(50).optional(),
  })
  .meta({ id: "MapParam" });
const List = z
  .strictObject({
    type: z.literal("array"),
    description,
    items: Words,
    maxItems: z.int().min(1).max(50).optional(),
  })
  .meta({ id: "ListParam" });

const StyleInput = z
  .discriminatedUnion("type", [Words, Count, Flag, Members, List])
  .meta({ id: "StyleParam" });
type StyleInput = z.infer<typeof StyleInput>;

const Name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, "1 to 64 of letters, digits and _, a letter first.")
  .refine((name) => name !== "simulate", "Every style has it in test mode.");

const Shape = z.strictObject({
  properties: z
    .record(Name, StyleInput)
    .refine((all) => Object.keys(all).length <= 50, "At most 50 params."),
  required: z.array(z.string()).max(50).optional(),
  additionalProperties: z
    .boolean()
    .optional()
    .meta({ description: "Whether params of other names are taken too; default false." }),
});

/**
 * The params that a request may have, in a part of JSON Schema. Lengths count UTF-16 units.
 */
export const StyleInputs = Shape.superRefine(({ properties, required = [] }, context) => {
  const refuse = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  for (const [at, name] of required.entries()) {
    if (!Object.hasOwn(properties, name)) refuse(["required", at], "It is none of the properties.");
  }
  for (const [name, input] of Object.entries(properties)) {
    const standard = "default" in input ? input.default : undefined;
    const [fault] = standard === undefined ? [] : checkValue(input, standard, "");
    if (fault) refuse(["properties", name, "default"], fault.detail);
  }
}).meta({ id: "StyleInputs" });
export type StyleInputs = z.infer<typeof StyleInputs>;

/** What a style's params say of requests; undefined: nothing that can be read, so all may pass. */
export const readStyleInputs = (inputs: unknown): StyleInputs | undefined =>
  StyleInputs.safeParse(inputs).data;

/** What is wrong with a request's params, each with its pointer; 20 at most. */
export function findParamFaults(
  { properties, required = [], additionalProperties }: StyleInputs,
  params: Record<string, unknown>,
): Fault[] {
  const faults: Fault[] = required
    .filter((name) => !Object.hasOwn(params, name))
    .map((name) => ({ pointer: point("/params", name), detail: "It is required." }));
  for (const [name, value] of Object.entries(params)) {
    const pointer = point("/params", name);
    const input = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (input) faults.push(...checkValue(input, value, pointer));
    else if (!additionalProperties && name !== "simulate") {
      faults.push({ pointer, detail: "This style has no such param." });
    }
  }
  return faults.slice(0, mostFaults);
}

/** What requests that name none have. */
export function listDefaults({ properties }: StyleInputs): Record<string, unknown> {
  const entries = Object.entries(properties).flatMap(([name, input]) =>
    "default" in input && input.default !== undefined ? [[name, input.default] as const] : [],
  );
  return Object.fromEntries(entries);
}

function checkValue(input: StyleInput, value: unknown, pointer: string): Fault[] {
  const refuse = (detail: string) => [{ pointer, detail }];
  switch (input.type) {
    case "string":
      return checkWords(input, value).flatMap(refuse);
    case "integer":
    case "number":
      return checkCount(input, value).flatMap(refuse);
    case "boolean":
      return typeof value === "boolean" ? [] : refuse("It must be true or false.");
    case "object": {
      const { additionalProperties: member, maxProperties: most = 50 } = input;
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        return refuse("It must be an object.");
      }
      const entries = Object.entries(value);
      if (entries.length > most) return refuse(`At most ${most} members.`);
      return entries.flatMap(([name, one]) => checkValue(member, one, point(pointer, name)));
    }
    case "array": {
      const { items, maxItems: most = 50 } = input;
      if (!Array.isArray(value)) return refuse("It must be a list.");
      if (value.length > most) return refuse(`At most ${most} items.`);
      return value.flatMap((one, at) => checkValue(items, one, point(pointer, String(at))));
    }
  }
}

function checkWords(input: z.infer<typeof Words>, value: unknown): string[] {
  if (typeof value !== "string") return ["It must be a text."];
  const { enum: known, minLength = 0, maxLength = 4_000 } = input;
  if (known && !known.includes(value)) return [`It must be one of: ${known.join(", ")}.`];
  if (value.length < minLength) return [`At least ${minLength} characters.`];
  return value.length > maxLength ? [`At most ${maxLength} characters.`] : [];
}

function checkCount({ type, minimum, maximum }: z.infer<typeof Count>, value: unknown): string[] {
  if (typeof value !== "number") return ["It must be a number."];
  if (type === "integer" && !Number.isInteger(value)) return ["It must be a whole number."];
  if (minimum !== undefined && value < minimum) return [`At least ${minimum}.`];
  return maximum !== undefined && value > maximum ? [`At most ${maximum}.`] : [];
}

/** RFC 6901; a name may be the client's own, of any length. */
const point = (start: string, name: string): string =>
  `${start}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`.slice(0, longestPointer);
