import fc from "fast-check";

/** A request that must be refused: what is wrong with it, and the request. */
export type Malformed = {
  fault: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  raw?: string | Buffer;
};

type Schema = { properties?: Record<string, object>; examples?: object[] };
type Operation = {
  parameters?: { name?: string; in?: string }[];
  requestBody?: { content: Record<string, { schema: { $ref?: string } }> };
};
export type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

const json = { "content-type": "application/json" };
/** Columns and members that a caller might like to set. */
const stolen = ["credits", "role", "status", "account_id", "price", "is_active", "cost", "id"];
const long = "x".repeat(20_000);

/** Values that are wrong for something: types, sizes, characters, depth. */
const badValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    0,
    -1,
    0.5,
    1e300,
    -1e12 - 1,
    Number.MAX_SAFE_INTEGER,
    long,
    "\0",
    "\ud800",
    "a\udfffb",
    [],
    {},
    [[]],
    { "\ud800": 1 },
    { a: "\0" },
    nest(12),
    Array(10_001).fill(1),
  ),
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1, maxKeys: 3 }),
  fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 3 }),
);

/** Texts that are not a JSON body, whatever the contract says. */
const badText = (good: string) =>
  fc.constantFrom<[string, string | Buffer]>(
    ["nothing", ""],
    ["cut short", good.slice(0, -1)],
    ["not an object", "[]"],
    ["null", "null"],
    ["a text", '"x"'],
    ["a name twice", good.replace("{", '{"x":1,"x":1,')],
    ["__proto__", good.replace("{", '{"__proto__":{"x":1},')],
    ["constructor", good.replace("{", '{"constructor":{"prototype":{"x":1}},')],
    ["deep", good.replace("{", `{"x":${"[".repeat(5_000)}${"]".repeat(5_000)},`)],
    ["an endless number", good.replace("{", '{"x":1e999,')],
    ["a long whole number", good.replace("{", `{"x":${"9".repeat(400)},`)],
    ["NaN", good.replace("{", '{"x":NaN,')],
    ["a byte order mark", `\ufeff${good}`],
    ["latin1", Buffer.from(good.replace("{", '{"x":"\xe9",'), "latin1")],
    ["utf-16", Buffer.from(good, "utf16le")],
    ["a raw NUL", good.replace("{", '{"x":"\0",')],
    ["an unpaired escape", good.replace("{", '{"x":"\\ud800",')],
    ["too much", good.replace("{", `{"x":"${"x".repeat(300_000)}",`)],
  );

const badType = fc.constantFrom("text/plain", "application/xml", "multipart/form-data", "json", "");

/** Malformed requests for every operation of the served description that reads something. */
export function arbitraryMalformed(
  document: Document,
  isValid: (schema: string, body: unknown) => boolean,
): fc.Arbitrary<Malformed> {
  const all: fc.Arbitrary<Malformed>[] = [];
  for (const [template, methods] of Object.entries(document.paths)) {
    for (const [name, operation] of Object.entries(methods)) {
      const method = name.toUpperCase();
      const path = template.replace("{id}", "00000000-0000-4000-8000-000000000000");
      const ref = operation.requestBody?.content["application/json"]?.schema.$ref;
      if (ref) {
        const schema = ref.split("/").at(-1) ?? "";
        const [example = {}] = document.components.schemas[schema]?.examples ?? [];
        const known = Object.keys(document.components.schemas[schema]?.properties ?? {});
        all.push(
          badBodies({ method, path }, { example, known, isValid: (b) => isValid(schema, b) }),
        );
        all.push(badTexts({ method, path }, JSON.stringify(example)));
      }
      const query = (operation.parameters ?? []).flatMap((one) =>
        one.in === "query" && one.name ? one.name : [],
      );
      if (query.includes("limit")) all.push(badQueries({ method, path }, query));
      if (template.includes("{id}")) all.push(badIds(method, template));
    }
  }
  return fc.oneof(...all);
}

type Place = { method: string; path: string };

function badBodies(
  place: Place,
  contract: { example: object; known: string[]; isValid: (body: unknown) => boolean },
): fc.Arbitrary<Malformed> {
  const { example, known, isValid } = contract;
  const members = [...listPaths(example), ...[...known, ...stolen].map((name) => [name])];
  return fc
    .tuple(fc.constantFrom(...members), badValue)
    .map(([at, value]) => ({ at, body: replaceAt(example, at, value) }))
    .filter(({ body }) => !isValid(body))
    .map(({ at, body }) => ({
      fault: `member ${at.join(".")}`,
      ...place,
      headers: json,
      raw: JSON.stringify(body),
    }));
}

function badTexts(place: Place, good: string): fc.Arbitrary<Malformed> {
  const texts = badText(good).map(
    ([fault, raw]): Malformed => ({ fault, ...place, headers: json, raw }),
  );
  const types = badType.map((type): Malformed => {
    const headers: Record<string, string> = type ? { "content-type": type } : {};
    return { fault: `content type ${type}`, ...place, headers, raw: Buffer.from(good) };
  });
  return fc.oneof({ weight: 3, arbitrary: texts }, { weight: 1, arbitrary: types });
}

const badQuery = fc.constantFrom("\0", "\ud800", "[]", "{}", "-1", "1e9", "1;DROP TABLE x", long);

const freeNames = new Set([
  ...["code", "style", "text", "query", "tags", "actor", "resource_id", "request_id", "error_code"],
  // A plan's key may look like a number, and an amount may be negative.
  ...["plan", "min_amount", "max_amount"],
]);

function badQueries({ method, path }: Place, names: string[]): fc.Arbitrary<Malformed> {
  // These may be any text: one that fits nothing is a filter that finds nothing.
  const strict = names.filter((name) => !freeNames.has(name));
  return fc.tuple(fc.constantFrom(...strict, "x", "__proto__"), badQuery).map(([name, value]) => ({
    fault: `query ${name}`,
    method,
    path: `${path}?${name}=${encode(value)}`,
    headers: {},
  }));
}

const badId = fc.oneof(
  fc.constantFrom("0", "-1", "null", "..", "%2e%2e%2f", "%00", "%", "1 OR 1=1", "{id}", long),
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
);

function badIds(method: string, template: string): fc.Arbitrary<Malformed> {
  return badId.map((id) => ({
    fault: "id in the path",
    method,
    path: template.replace("{id}", encode(id).replaceAll(".", "%252e")),
    headers: method === "POST" ? json : {},
    ...(method === "POST" && { raw: "{}" }),
  }));
}

/** A URL can't carry lone surrogates. */
const encode = (text: string) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));

/** The paths to every member of a value, its own first. */
function listPaths(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [[]];
  const inner = Object.entries(value).flatMap(([key, member]) =>
    listPaths(member).map((path) => [key, ...path]),
  );
  return [[], ...inner];
}

function replaceAt(value: unknown, [key, ...rest]: string[], replacement: unknown): unknown {
  if (key === undefined) return replacement;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inner = (copy as Record<string, unknown>)[key];
  return Object.assign(copy, { [key]: replaceAt(inner, rest, replacement) });
}

function nest(depth: number): unknown {
  return depth === 0 ? 1 : [nest(depth - 1)];
}
