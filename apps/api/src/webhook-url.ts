import { mayBeAsked, parseOutgoingUrl } from "@ducat/egress/outgoing-url";
import type { Deps } from "./deps.ts";
import { refuseAt } from "./problem.ts";

/**
 * Refuses an address that no webhook would ever be sent to, by what it says; what a name leads to
 * is judged at each delivery. Errors: validation_failed.
 */
export function checkWebhookUrl(
  { fetchAllowHosts }: Pick<Deps, "fetchAllowHosts">,
  text: string | undefined,
  pointer: string,
): void {
  if (text === undefined) return;
  const url = parseOutgoingUrl(text);
  if (url && mayBeAsked(url, { allowHosts: fetchAllowHosts })) return;
  throw refuseAt(pointer, "A public https address on port 443, without a user in it.");
}
