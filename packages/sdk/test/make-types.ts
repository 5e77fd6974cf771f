/** The parts of an OpenAPI 3.1 document that types are made of. */
export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
};
type Parameter = {
  $ref?: string;
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: Schema;
};
type Content = Record<string, { schema?: Schema }>;
type Operation = {
  summary?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Content };
  responses: Record<string, { content?: Content }>;
};
export type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; parameters: Record<string, Parameter> };
};

const isObject = (schema: Schema) => schema.properties !== undefined;
const quoteName = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
const comment = (text: string | undefined) =>
  text ? `/** ${text.replaceAll("*/", "*\\/").replace(/\s+/g, " ")} */\n` : "";
const group = (type: string) => (/[|&]/.test(type) ? `(${type})` : type);

/** What TypeScript calls a JSON schema. */
function toType(schema: Schema | undefined): string {
  if (!schema) return "unknown";
  if (schema.$ref) return schema.$ref.split("/").at(-1) ?? "";
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return [...new Set(several.map((one) => group(toType(one))))].join(" | ");
  if (schema.allOf) return schema.allOf.map((one) => group(toType(one))).join(" & ");
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => group(toType({ ...schema, type }))).join(" | ");
  }
  return toPlainType(schema);
}

function toPlainType(schema: Schema): string {
  switch (schema.type) {
    case "string":
      return schema.format === "binary" ? "Blob" : "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
    case "null":
      return schema.type;
    case "array":
      return `${group(toType(schema.items))}[]`;
    default:
      return schema.type === "object" || isObject(schema) ? toObject(schema) : "unknown";
  }
}

function toObject({ properties = {}, required = [], additionalProperties: more }: Schema): string {
  const members = Object.entries(properties).map(([name, schema]) => {
    const isThere = required.includes(name);
    const type = toType(schema);
    const mark = isThere ? ":" : "?:";
    const value = isThere ? type : `${type} | undefined`;
    return `${comment(schema.description)}${quoteName(name)}${mark} ${value};`;
  });
  const others = more === undefined || more === true ? {} : more;
  if (members.length === 0) return `Record<string, ${others ? toType(others) : "never"}>`;
  // The members that are known may be of other types than those that aren't.
  if (others) members.push("[name: string]: unknown;");
  return `{\n${members.join("\n")}\n}`;
}

/** Two spaces for each brace that is open. */
function indent(text: string): string {
  let depth = 0;
  return text
    .split("\n")
    .map((line) => {
      if (/^[}\]]/.test(line)) depth -= 1;
      const indented = line === "" ? "" : `${"  ".repeat(depth)}${line}`;
      if (/[{[]$/.test(line)) depth += 1;
      return indented;
    })
    .join("\n");
}

const methods = ["get", "post", "put", "patch", "delete"];

/** What a client calls: pages for people's browsers and webhooks of providers are not. */
const isCallable = (path: string, { responses }: Operation) =>
  path.startsWith("/v1/") &&
  Object.entries(responses).some(
    ([status, { content = {} }]) =>
      status.startsWith("2") &&
      (Object.keys(content).length === 0 || Object.keys(content).some(isReadable)),
  );
const isReadable = (type: string) => type === "application/json" || type.startsWith("text/");

/** A module of types: one for each schema, and `Operations` with one member for each operation. */
export function makeTypes({ paths, components }: Document): string {
  const operations = Object.entries(paths).flatMap(([path, all]) =>
    methods.flatMap((method) => {
      const operation = all[method];
      if (!operation || !isCallable(path, operation)) return [];
      const parameters = (operation.parameters ?? []).map((one) =>
        one.$ref ? components.parameters[one.$ref.split("/").at(-1) ?? ""] : one,
      );
      const found = parameters.filter((one) => one !== undefined);
      const name = `${method.toUpperCase()} ${path}`;
      const takesKey = found.some((one) => one.name === "Idempotency-Key");
      const type = toOperation(operation, found);
      return [{ name, takesKey, text: `${comment(operation.summary)}"${name}": ${type};` }];
    }),
  );
  const named = findNamed(components.schemas, ["Problem", ...operations.map(({ text }) => text)]);
  const schemas = Object.entries(components.schemas)
    .filter(([name]) => named.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => `${comment(one.description)}export type ${name} = ${toType(one)};`);
  const keyed = operations.filter(({ takesKey }) => takesKey).map(({ name }) => `"${name}",\n`);
  return indent(`// biome-ignore-all format: generated
// Made from /openapi.json by types.test.ts, which also says how to make it anew.

${schemas.join("\n\n")}

/** Every operation of the API: what it takes and what it answers. */
export type Operations = {
${operations.map(({ text }) => text).join("\n")}
};

/** The operations that take an Idempotency-Key. */
export const keyedOperations: readonly (keyof Operations)[] = [
${keyed.join("")}];
`);
}

/** The schemas that these texts name, and those that they name in turn. */
function findNamed(schemas: Record<string, Schema>, texts: string[]): Set<string> {
  const named = new Set<string>();
  const waiting = [...texts];
  for (let text = waiting.pop(); text !== undefined; text = waiting.pop()) {
    for (const [name] of text.matchAll(/\b[A-Z]\w+/g)) {
      const schema = schemas[name];
      if (!schema || named.has(name)) continue;
      named.add(name);
      waiting.push(toType(schema));
    }
  }
  return named;
}

function toOperation({ requestBody, responses }: Operation, parameters: Parameter[]): string {
  const members = ["path", "query"].flatMap((place) => {
    const all = parameters.filter((one) => one.in === place);
    if (all.length === 0) return [];
    const required = all.filter((one) => one.required).map(({ name }) => name);
    const properties = Object.fromEntries(
      all.map(({ name, schema, description }) => {
        return [name, { ...schema, ...(description && { description }) }];
      }),
    );
    const type = toObject({ properties, required, additionalProperties: false });
    return [required.length > 0 ? `${place}: ${type};` : `${place}?: ${type} | undefined;`];
  });
  if (requestBody) {
    const types = Object.entries(requestBody.content).map(([type, { schema }]) => {
      if (type === "application/json") return toType(schema);
      return type.startsWith("text/") ? "string" : "FormData";
    });
    const type = [...new Set(types)].join(" | ");
    members.push(requestBody.required ? `body: ${type};` : `body?: ${type} | undefined;`);
  }
  members.push(`answer: ${toAnswer(responses)};`);
  return `{\n${members.join("\n")}\n}`;
}

/** JSON where there is any, else text; without content there is nothing to answer. */
function toAnswer(responses: Operation["responses"]): string {
  const types = Object.entries(responses)
    .filter(([status]) => status.startsWith("2"))
    .map(([, { content = {} }]) => {
      if (content["application/json"]) return toType(content["application/json"].schema);
      return Object.keys(content).length > 0 ? "string" : "undefined";
    });
  return [...new Set(types)].join(" | ");
}
