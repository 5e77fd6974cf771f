import { runDue } from "@ducat/billing/sandbox-due";
import { choose } from "@ducat/billing/sandbox-payments";
import { findOrder, openPayment } from "@ducat/db/payments";
import { openPage } from "@ducat/payments/open-page";
import { processWebhook } from "@ducat/payments/process-webhook";
import { createPaymentDeps, type PaymentDeps } from "@ducat/payments/providers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer } from "../../../packages/db/test/billing-factories.ts";
import { holdWrites } from "../../../packages/db/test/hold-writes.ts";
import { startChildApi } from "../test/child-api.ts";
import { type Stage, setStage } from "../test/stage.ts";

const pack = 100;
/** Until after the sandbox's first retry. */
const laterMs = 10_000;

describe("an API that is killed between the signature and the commit", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  /** The sandbox, whose webhooks go to this address, some time from now. */
  const openSandbox = (publicUrl: string, later = 0): PaymentDeps =>
    createPaymentDeps(
      {},
      {
        db: stage.db.app,
        mode: "test",
        publicUrl,
        secretKeys: ["s".repeat(32)],
        log: stage.deps.log,
        now: () => Date.now() + later,
      },
    );
  const keeperOf = ({ sandbox }: PaymentDeps) => {
    if (!sandbox) throw new Error("there is no sandbox");
    return sandbox;
  };
  const buy = async (deps: PaymentDeps): Promise<string> => {
    const accountId = await stage.makeAccount();
    const { price } = await makeOffer(stage.db.admin, { kind: "pack", credits: pack });
    const order = { priceId: price.id, provider: "sandbox", mode: "test" } as const;
    const payment = await openPayment(stage.db.app, accountId, order);
    await openPage(deps, payment);
    const { attempt } = (await findOrder(stage.db.app, { reference: payment.reference })) ?? {};
    await choose(keeperOf(deps), attempt?.ref ?? "", { outcome: "success" });
    return accountId;
  };
  const listEvents = () =>
    stage.db.admin<{ id: string; status: string }[]>`SELECT id, status FROM ducat.webhook_events
      WHERE event_type = 'payment.succeeded' ORDER BY id DESC`;

  it.each([
    { title: "its write is lost", isLost: true },
    { title: "its write comes through", isLost: false },
  ])("$title: the provider sends it again, and it is one credit", async ({ isLost }) => {
    const before = (await listEvents()).length;
    const first = await startChildApi(stage.db.url);
    const deps = openSandbox(first.url);
    const accountId = await buy(deps);
    const held = await holdWrites(stage.db, {
      table: "ducat.webhook_events",
      on: "INSERT",
      when: "NEW.event_type = 'payment.succeeded'",
    });
    const sending = runDue(keeperOf(deps));
    await held.reached();
    first.child.kill("SIGKILL");
    await sending;
    if (isLost) await held.endWaiting();
    await held.release();
    expect(await listEvents()).toHaveLength(isLost ? before : before + 1);

    const second = await startChildApi(stage.db.url);
    await runDue(keeperOf(openSandbox(second.url, laterMs)));
    const events = await listEvents();
    expect(events).toHaveLength(before + 1);
    const [event] = events;
    await processWebhook({ ...deps, db: stage.db.worker }, event?.id ?? "");
    expect((await listEvents())[0]?.status).toBe("processed");
    const { body } = await stage.call("/v1/credits/balance", { account: accountId });
    expect(body).toMatchObject({ available: 3 + pack, debt: 0 });
    // Sent once more, as a provider may: it is known.
    await runDue(keeperOf(openSandbox(second.url, 2 * laterMs)));
    expect(await listEvents()).toHaveLength(before + 1);
    expect(await second.stop()).toBe(0);
  });
});
