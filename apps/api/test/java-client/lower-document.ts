type Schema = {
  type?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  $ref?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  [name: string]: unknown;
};
type Document = { webhooks?: object; components: { schemas: Record<string, Schema> } };

/**
 * The description in OpenAPI 3.0, which has no null among types, for a generator of clients that
 * knows no later one. What it trips over besides is said more loosely: unions become one object
 * with the members of all.
 */
export function lowerDocument(document: object): object {
  const { webhooks, ...others } = document as Document;
  const { schemas } = others.components;
  return { ...(lower(others, schemas) as object), openapi: "3.0.3" };
}

function lower(value: unknown, schemas: Record<string, Schema>): unknown {
  if (Array.isArray(value)) return value.map((one) => lower(one, schemas));
  if (typeof value !== "object" || value === null) return value;
  const joined = joinObjects(value as Schema, schemas);
  const kept = Object.entries(joined).filter(([name, member]) => isKept(name, member));
  const lowered = kept.map(([name, member]) => [name, lower(member, schemas)]);
  return lowerNull(Object.fromEntries(lowered));
}

/** Lists of examples are new in 3.1, and a null for a default needs a type that may be null. */
const isKept = (name: string, member: unknown): boolean =>
  !(name === "examples" && Array.isArray(member)) && !(name === "default" && member === null);

/** A union of named objects as one object: what all of them need is needed. */
function joinObjects(schema: Schema, schemas: Record<string, Schema>): Schema {
  const { oneOf, anyOf, discriminator, ...others } = schema;
  const parts = (oneOf ?? anyOf ?? []).map(({ $ref }) => schemas[$ref?.split("/").at(-1) ?? ""]);
  const objects = parts.flatMap((part) => (part?.type === "object" ? [part] : []));
  if (objects.length < 2 || objects.length < parts.length) return schema;
  const properties: Record<string, Schema> = {};
  for (const [name, member] of objects.flatMap((one) => Object.entries(one.properties ?? {}))) {
    properties[name] = name in properties ? joinMembers(properties[name] ?? {}, member) : member;
  }
  const [first, ...more] = objects.map(({ required = [] }) => required);
  const required = first?.filter((name) => more.every((one) => one.includes(name))) ?? [];
  return { ...others, type: "object", properties, ...(required.length > 0 && { required }) };
}

function joinMembers(one: Schema, other: Schema): Schema {
  if (one.enum && other.enum) return { ...one, enum: [...new Set([...one.enum, ...other.enum])] };
  return JSON.stringify(one) === JSON.stringify(other) ? one : {};
}

/** What may be null says so by `nullable`. */
function lowerNull(schema: Schema): Schema {
  const { type, anyOf, enum: _, ...others } = schema;
  if (type === "null") return { ...others, type: "object", nullable: true };
  if (Array.isArray(type) && type.includes("null")) {
    return { ...schema, type: type.find((one) => one !== "null"), nullable: true };
  }
  if (type === "boolean") return { ...others, type };
  return Array.isArray(anyOf) ? lowerUnion(anyOf, others, schema) : schema;
}

function lowerUnion(members: Schema[], others: Schema, schema: Schema): Schema {
  // The null among the members has been lowered already.
  const isNull = (one: Schema) => Object.keys(one).length === 2 && one.nullable === true;
  const left = members.filter((one) => !isNull(one));
  if (left.length === 1) return { ...others, nullable: true, allOf: left };
  // One of texts, numbers and truths: anything.
  return left.some(({ $ref, type }) => $ref || type === "object") ? schema : others;
}
