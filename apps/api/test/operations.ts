import type { Stage } from "./stage.ts";

type Schema = {
  $ref?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  examples?: object[];
  format?: string;
  additionalProperties?: false | object;
};
type Described = {
  security?: object[];
  parameters?: { $ref?: string; name?: string; in?: string; schema?: Schema }[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
  responses: Record<string, { description: string }>;
};
type Document = {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
};

/** One operation of the served description, as the tests of rights look at it. */
export type Operation = {
  /** As in `GET /v1/payments/{id}`. */
  name: string;
  method: string;
  path: string;
  /** Nobody is asked for a key. */
  isPublic: boolean;
  /** The names in braces. */
  pathNames: string[];
  queryNames: string[];
  readsAccount: boolean;
  needsAccount: boolean;
  readsKey: boolean;
  /** The members of its JSON body that are ids, wherever they are in it. */
  idMembers: string[];
  /** The objects in its example that take what the contract says and no more: its members. */
  members: Record<string, string[]>;
  /** An example of its JSON body. */
  example?: Record<string, unknown>;
  /** The body's type, where it has one. */
  bodyType?: string;
  /** The first status of success that is described. */
  success: number;
};

/** Everything that the served /openapi.json describes. */
export async function listOperations(stage: Stage): Promise<Operation[]> {
  const { body } = await stage.call("/openapi.json", { bearer: null });
  const document: Document = body;
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => read(document, [method, path], described)),
  );
}

function read(
  document: Document,
  [verb, path]: [string, string],
  { security, parameters = [], requestBody, responses }: Described,
): Operation {
  const method = verb.toUpperCase();
  const named = (name: string, ref: string) =>
    parameters.some((one) => one.name === name || one.$ref?.endsWith(`/${ref}`));
  const [[bodyType, content] = []] = Object.entries(requestBody?.content ?? {});
  const example = exampleOf(document, content?.schema?.$ref);
  const inQuery = parameters.filter((one) => one.in === "query");
  return {
    name: `${method} ${path}`,
    method,
    path,
    isPublic: security?.length === 0,
    pathNames: [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? ""),
    queryNames: inQuery.map(({ name }) => name ?? ""),
    readsAccount: named("Ducat-Account", "DucatAccount") || named("", "NamedDucatAccount"),
    needsAccount: responses["400"]?.description.includes("account_required") === true,
    readsKey: named("Idempotency-Key", "IdempotencyKey"),
    members: Object.fromEntries(listMembers(document, content?.schema ?? {}, example)),
    idMembers: [...new Set(listIdMembers(document, content?.schema ?? {}))],
    success: Number(Object.keys(responses).find((status) => /^[23]/.test(status)) ?? 200),
    ...(example && { example }),
    ...(bodyType !== undefined && { bodyType }),
  };
}

function exampleOf({ components }: Document, ref: string | undefined) {
  if (ref === undefined) return undefined;
  const name = ref.split("/").at(-1) ?? "";
  const [example] = components.schemas[name]?.examples ?? [];
  if (!example) throw new Error(`Give ${name} an example: the matrix sends it.`);
  return example as Record<string, unknown>;
}

/** By the way to each object, as in `areas/1`. */
function listMembers(
  document: Document,
  schema: Schema,
  value: unknown,
  way: string[] = [],
): [string, string[]][] {
  if (typeof value !== "object" || value === null) return [];
  const names = Object.keys(value);
  const meant = listVariants(document, schema).find(({ properties, items }) =>
    Array.isArray(value) ? items : names.every((name) => properties && name in properties),
  );
  if (!meant) return [];
  const inner = Object.entries(value).flatMap(([name, one]) => {
    const next = Array.isArray(value) ? meant.items : meant.properties?.[name];
    return listMembers(document, next ?? {}, one, [...way, name]);
  });
  // Theirs to fill, as metadata is; silence would be a contract that takes anything unseen.
  const isFree = typeof meant.additionalProperties === "object";
  if (isFree || Array.isArray(value)) return inner;
  return [[way.join("/"), Object.keys(meant.properties ?? {})], ...inner];
}

/** The shapes that a value may have. */
function listVariants(document: Document, schema: Schema): Schema[] {
  const { $ref, anyOf, oneOf } = schema;
  if ($ref) return listVariants(document, findSchema(document, $ref));
  const among = anyOf ?? oneOf;
  return among ? among.flatMap((one) => listVariants(document, one)) : [schema];
}

const findSchema = ({ components }: Document, ref: string): Schema =>
  components.schemas[ref.split("/").at(-1) ?? ""] ?? {};

function listIdMembers(document: Document, schema: Schema, name = ""): string[] {
  const { $ref, format, properties = {}, items, anyOf = [], oneOf = [] } = schema;
  const inner = [$ref ? findSchema(document, $ref) : [], items ?? [], anyOf, oneOf].flat();
  return [
    ...(format === "uuid" ? [name] : []),
    ...inner.flatMap((one) => listIdMembers(document, one, name)),
    ...Object.entries(properties).flatMap(([key, one]) => listIdMembers(document, one, key)),
  ];
}
