import { createZarinpal } from "../src/zarinpal.ts";
import type { Rig } from "./rig.ts";
import {
  startZarinpal,
  type ZarinpalServer,
  zarinpalMerchant,
  zarinpalToken,
} from "./zarinpal-server.ts";

/** Live authorities begin with A, as in the documentation's examples: by default a live rig. */
export async function startZarinpalRig(
  settings: { accessToken?: string } = { accessToken: zarinpalToken },
  mode: "test" | "live" = "live",
): Promise<Rig & { server: ZarinpalServer }> {
  const clock = { now: Date.parse("2026-11-20T12:00:00Z") };
  const server = await startZarinpal(() => clock.now, mode === "test" ? "S" : "A");
  const make = (changes: Parameters<Rig["remake"]>[0] = {}) =>
    createZarinpal({
      merchantId: zarinpalMerchant,
      ...settings,
      mode: changes.mode ?? mode,
      baseUrl: server.url,
      timeoutMs: changes.timeoutMs ?? 5_000,
      now: changes.now ?? (() => clock.now),
    });
  return {
    provider: make(),
    remake: make,
    server,
    clock,
    faults: server.faults,
    faultKinds: ["hang", "reset", "status_500", "html", "huge", "status_429", "status_401"],
    calls: {
      checkout: "request.json",
      settle: "verify.json",
      refund: "graphql",
      list: "unVerified.json",
    },
    pack: { price: { amount: 500_000, currency: "IRR" } },
    pay: async (ref, { charged } = {}) => {
      const session = server.sessions.get(ref);
      if (charged && session) session.amount = charged.amount;
      server.pay(ref);
    },
    takeDeliveries: async () => [],
    dropDeliveries: async () => {},
    close: () => server.close(),
  };
}
