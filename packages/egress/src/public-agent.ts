import type { Agent } from "node:https";
import type { LookupFunction } from "node:net";
import { RequestFilteringHttpsAgent } from "request-filtering-agent";
import { createNameLookup } from "./name-lookup.ts";
import { lookupPublic } from "./public-address.ts";

/**
 * An agent for node:https that judges the literal or resolved address of every connection it
 * opens; each address of a name must be public. Names are looked up once a connection, so what was
 * judged is what is connected to. Keeps no connection open.
 */
export function createPublicAgent(lookup: LookupFunction = createNameLookup()): Agent {
  return new RequestFilteringHttpsAgent({ lookup: lookupPublic(lookup) });
}

/** Whether a failed request was refused by this agent or its look-up: plain errors with words. */
export function wasRefused(error: unknown): boolean {
  return error instanceof Error && error.message.includes(" is not allowed. Because");
}
