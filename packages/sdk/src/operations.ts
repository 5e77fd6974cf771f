import { createPages, type Pages } from "./pages.ts";
import type { Call, RequestOptions, Transport } from "./transport.ts";
import { keyedOperations, type Operations } from "./types.ts";

export type OperationName = keyof Operations;
/** What an operation takes: `path`, `query` and `body` as it has them, and the options of any. */
export type Input<K extends OperationName> = Omit<Operations[K], "answer"> & RequestOptions;
export type Answer<K extends OperationName> = Operations[K]["answer"];

type Page = { data: unknown[]; next_cursor: string | null };
/** The operations that answer with a page of a list. */
export type ListName = {
  [K in OperationName]: Answer<K> extends Page ? K : never;
}[OperationName];
export type Entry<K extends ListName> = Answer<K> extends { data: (infer T)[] } ? T : never;

/** Nothing needs to be said where all of it is optional. */
type Arguments<I> = Record<never, never> extends I ? [input?: I] : [input: I];

export type Caller = {
  /** Any operation of the API by its method and path, typed. Errors: DucatError. */
  request<K extends OperationName>(operation: K, ...input: Arguments<Input<K>>): Promise<Answer<K>>;
  /** The same with the answer's body unread: files and other formats. */
  open<K extends OperationName>(operation: K, ...input: Arguments<Input<K>>): Promise<Response>;
  /** All entries of a list, page by page as they are read. */
  list<K extends ListName>(operation: K, ...input: Arguments<Input<K>>): Pages<Entry<K>>;
};

/** Calls operations by name. */
export function createCaller(transport: Transport): Caller {
  const request = async (operation: OperationName, input: object = {}) =>
    (await transport.request(makeCall(operation, input))) as never;
  return {
    request,
    open: async (operation, input: object = {}) => transport.open(makeCall(operation, input)),
    list: (operation, ...[input = {}]: [AnyInput?]) =>
      createPages((cursor) => {
        // Events are asked for behind one of them, whether there is a next page or not.
        const name = operation === "GET /v1/events" ? "after" : "cursor";
        const query = { ...input.query, ...(cursor !== undefined && { [name]: cursor }) };
        return request(operation, { ...input, query });
      }),
  };
}

/**
 * Done twice they change nothing more: they only look, or what they do has an id in its body, or
 * what they made too much of costs nothing and goes by itself.
 */
const repeatable: readonly OperationName[] = [
  "POST /v1/accounts",
  "POST /v1/accounts/{id}/tokens",
  "POST /v1/entitlements/check",
  "POST /v1/generations/estimate",
  "POST /v1/uploads",
  "POST /v1/usage",
];

/** Those of a kind, each of them: what is added to the API must be added here. */
type Every<K extends OperationName> = Record<K, true>;
type Deletion = OperationName & `DELETE ${string}`;
type Telling = {
  [K in Deletion]: Answer<K> extends undefined ? never : K;
}[Deletion];
type Textual = {
  [K in OperationName]: string extends Answer<K> ? K : never;
}[OperationName];

/** Deletions that answer with what became of it, a repeated one too. */
const telling: Every<Telling> = {
  "DELETE /v1/api-keys/{id}": true,
  "DELETE /v1/usage/{event_id}": true,
  "DELETE /v1/admin/accounts/{id}/plan": true,
  "DELETE /v1/admin/config/{key}": true,
};
/** Operations that answer with text and not JSON. */
const textual: Every<Textual> = {
  "GET /v1/admin/queues/enter": true,
  "GET /v1/events/stream": true,
  "GET /v1/generations/{id}/events": true,
  "GET /v1/payments/{id}/receipt": true,
};

type AnyInput = RequestOptions & {
  path?: Record<string, string> | undefined;
  query?: object | undefined;
  body?: unknown;
};

function makeCall(operation: OperationName, input: AnyInput): Call {
  const { path: values = {}, ...rest } = input;
  const [method = "", template = ""] = operation.split(" ");
  return {
    ...rest,
    method,
    path: template.replace(/\{(\w+)\}/g, (_, name: string) => encodePart(name, values[name])),
    isKeyed: keyedOperations.includes(operation),
    isRepeatable: repeatable.includes(operation),
    isSilent: method === "DELETE" && !(operation in telling),
    isText: operation in textual,
  };
}

/** A part of a path. Dots alone would lead elsewhere, whatever they are encoded as. */
function encodePart(name: string, value: string | undefined): string {
  if (value === undefined || /^\.{0,2}$/.test(value)) throw new TypeError(`${name} is no id.`);
  return encodeURIComponent(value);
}
