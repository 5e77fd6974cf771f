import type { Answer, Incoming } from "./http-server.ts";
import type { StripeBooks, Thing } from "./stripe-books.ts";

type Params = Record<string, unknown>;

const known: Record<string, string> = {
  "POST products": "name description metadata active",
  "POST prices":
    "product currency unit_amount lookup_key transfer_lookup_key metadata recurring active",
  "POST products/": "name description metadata active",
  // The amount of a price is for ever.
  "POST prices/": "lookup_key transfer_lookup_key metadata active",
  "GET products": "limit starting_after active",
  "GET prices": "limit starting_after active product lookup_keys",
};

const refuse = (status: number, error: Params): Answer => ({
  status,
  body: { error: { type: "invalid_request_error", ...error } },
});

/** The Products and Prices API; undefined for any other call. A list is still to be paged. */
export function answerCatalog(
  books: StripeBooks,
  { method, path }: Incoming,
  params: Params,
): Answer | { listed: Thing[] } | undefined {
  const [, , noun = "", id = ""] = path.split("/");
  const names = known[`${method} ${noun}${id === "" ? "" : "/"}`];
  if (names === undefined) return undefined;
  const unknown = Object.keys(params).find((name) => !names.split(" ").includes(name));
  if (unknown) return refuse(400, { param: unknown, message: "Received unknown parameter." });
  if (method === "GET") return { listed: listThings(books, noun, params) };
  if (id !== "") return updateThing(books, id, params);
  return noun === "products" ? createProduct(books, params) : createPrice(books, params);
}

function listThings(books: StripeBooks, noun: string, params: Params): Thing[] {
  const { active, product, lookup_keys } = params;
  const keys = lookup_keys ? Object.values(lookup_keys) : undefined;
  return books.list(noun.slice(0, -1)).filter((thing) => {
    if (active !== undefined && String(thing.active) !== active) return false;
    if (product !== undefined && thing.product !== product) return false;
    return keys === undefined || keys.includes(thing.lookup_key as string);
  });
}

function createProduct(books: StripeBooks, params: Params): Answer {
  if (!params.name) return refuse(400, { param: "name" });
  const { name, description = null, metadata = {} } = params;
  const fields = { name, description, metadata, active: true, default_price: null };
  return { body: books.keep("product", "prod", fields) };
}

function createPrice(books: StripeBooks, params: Params): Answer {
  const { product, currency, unit_amount, lookup_key = null, metadata = {} } = params;
  const amount = Number(unit_amount);
  if (!books.things.has(String(product))) {
    return refuse(400, { code: "resource_missing", param: "product" });
  }
  if (!Number.isSafeInteger(amount) || amount < 0) return refuse(400, { param: "unit_amount" });
  if (!/^[a-z]{3}$/.test(String(currency))) return refuse(400, { param: "currency" });
  const refusal = takeKey(books, lookup_key, params.transfer_lookup_key === "true");
  if (refusal) return refusal;
  const { interval } = (params.recurring ?? {}) as { interval?: "month" | "year" };
  const price = books.keep("price", "price", {
    product,
    currency,
    unit_amount: amount,
    lookup_key,
    metadata,
    active: true,
    type: interval ? "recurring" : "one_time",
    recurring: interval ? { interval, interval_count: 1, usage_type: "licensed" } : null,
  });
  const sold = { id: price.id, unit_amount: amount, currency: String(currency) };
  books.prices.set(price.id, { ...sold, interval: interval ?? "month" });
  return { body: price };
}

/** A lookup_key is one price's; another takes it only when it says so. */
function takeKey(books: StripeBooks, key: unknown, transfers: boolean): Answer | undefined {
  const holder = books.list("price").find((price) => key !== null && price.lookup_key === key);
  if (holder && !transfers) return refuse(400, { param: "lookup_key", message: "In use." });
  if (holder) holder.lookup_key = null;
  return undefined;
}

function updateThing(books: StripeBooks, id: string, params: Params): Answer {
  const thing = books.things.get(id);
  if (!thing) return refuse(404, { code: "resource_missing" });
  const { active, ...rest } = params;
  Object.assign(thing, rest, active !== undefined && { active: active === "true" });
  return { body: thing };
}
