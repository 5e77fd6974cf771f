import { z } from "zod";
import type { ProviderFact } from "./facts.ts";
import type { Money } from "./money.ts";
import type { CallOptions, RefundInput } from "./provider.ts";
import { refuseInput, refuseState, refuseUnknown } from "./refusals.ts";
import { refuseCode, type ZarinpalClient } from "./zarinpal-client.ts";

/** A payment can be reversed this long after it, whole and free of charge (docs, reverse). */
export const reverseWindowMs = 30 * 60 * 1000;
/** The smallest refund by the panel, in rials (docs, refund). */
export const leastRefund: Money = { amount: 20_000, currency: "IRR" };

type RefundContext = {
  client: ZarinpalClient;
  merchantId: string;
  hasPanel: boolean;
  now: () => number;
  about: (authority: string, effect: string) => Parameters<typeof toFact>[0];
};
type Effect = {
  provider: "zarinpal";
  mode: "test" | "live";
  effectKey: string;
  occurredAt: Date;
};

const toFact = (effect: Effect, input: RefundInput, reversed: Money): ProviderFact => ({
  ...effect,
  kind: "reversal.total",
  paymentRef: input.paymentRef,
  reversed,
  of: input.paid,
});

/**
 * Pays back: a whole young payment by reverse, anything else by the panel's GraphQL. The panel has
 * no idempotency key, so after an unknown outcome a person has to look there before the next try.
 */
export async function refund(
  context: RefundContext,
  input: RefundInput,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { paid, reversedBefore } = input;
  const left = paid.amount - reversedBefore.amount;
  const amount = input.money?.amount ?? left;
  if (paid.currency !== "IRR") throw refuseInput("#/currency", "ZarinPal only knows rials.");
  const effect = context.about(input.paymentRef, "reversed");
  const isYoung = context.now() - input.paidAt.getTime() < reverseWindowMs;
  if (amount === paid.amount && isYoung && (await reverse(context, input.paymentRef, call))) {
    return [toFact(effect, input, paid)];
  }
  if (!context.hasPanel) throw refuseState("Only a whole, young payment can be paid back.");
  if (amount < leastRefund.amount) {
    throw refuseInput("#/amount", `At least ${leastRefund.amount} rials can be paid back.`);
  }
  await addRefund(context, { ...input, amount }, call);
  return [toFact(effect, input, { amount: reversedBefore.amount + amount, currency: "IRR" })];
}

/** Refusals after which the panel may still pay back: the bank, the state, the IP, the time. */
const notReversible = [-60, -61, -62, -63];

/** Whether a payment is reversed now. A lost answer is looked up: reversing shows in inquiry. */
async function reverse(
  { client }: RefundContext,
  authority: string,
  call?: CallOptions,
): Promise<boolean> {
  if ((await findStatus(client, authority, call)) === "REVERSED") return true;
  const { code } = await client.post("reverse", { authority }, call);
  if (code === 100 || code === 101) return true;
  if (notReversible.includes(code)) return false;
  throw refuseCode(code);
}

/** The state of a payment by inquiry: VERIFIED, PAID, IN_BANK, FAILED, REVERSED or undefined. */
export async function findStatus(
  client: ZarinpalClient,
  authority: string,
  call?: CallOptions,
): Promise<string | undefined> {
  const { code, data } = await client.post("inquiry", { authority }, call);
  if (code !== 100 && code !== 101) return undefined;
  return typeof data.status === "string" ? data.status : undefined;
}

const Terminals = z.looseObject({
  Terminals: z.array(z.looseObject({ id: z.union([z.string(), z.number()]), key: z.string() })),
});
const Sessions = z.looseObject({
  Session: z.array(
    z.looseObject({
      id: z.union([z.string(), z.number()]),
      amount: z.union([z.string(), z.number()]),
      description: z.string().nullish(),
    }),
  ),
});
const Refunded = z.looseObject({
  resource: z.looseObject({ id: z.union([z.string(), z.number()]) }),
});

const terminalsQuery = "query { Terminals { id key } }";
const sessionsQuery =
  "query Sessions($terminal_id: ID!, $reference_id: String, $limit: Int) " +
  "{ Session(terminal_id: $terminal_id, reference_id: $reference_id, limit: $limit) " +
  "{ id status amount description } }";
const refundMutation =
  "mutation AddRefund($session_id: ID!, $amount: BigInteger!, $description: String, " +
  "$method: InstantPayoutActionTypeEnum, $reason: RefundReasonEnum) " +
  "{ resource: AddRefund(session_id: $session_id, amount: $amount, description: $description, " +
  "method: $method, reason: $reason) " +
  "{ terminal_id id amount timeline { refund_amount refund_time refund_status } } }";

async function addRefund(
  context: RefundContext,
  input: RefundInput & { amount: number },
  call?: CallOptions,
): Promise<void> {
  const session_id = await findSession(context, input, call);
  const variables = {
    session_id,
    amount: input.amount,
    description: `refund ${input.key}`,
    method: "PAYA",
    reason: "CUSTOMER_REQUEST",
  };
  const data = await context.client.graphql(refundMutation, variables, call);
  if (data === undefined) throw refuseState("The payment provider refused this refund.");
  if (!Refunded.safeParse(data).success) throw refuseUnknown(new Error("No refund in the answer."));
}

/** The panel's id of a payment, found by the bank's reference; it has no authority in it. */
async function findSession(
  { client, merchantId }: RefundContext,
  input: RefundInput,
  call?: CallOptions,
): Promise<string> {
  if (input.receiptRef === undefined) throw refuseState("The payment has no bank reference.");
  const terminals = Terminals.safeParse(await client.graphql(terminalsQuery, {}, call)).data;
  const terminal = terminals?.Terminals.find(({ key }) => key === merchantId);
  if (!terminal) throw refuseState("The panel's token is not of this merchant.");
  const variables = { terminal_id: terminal.id, reference_id: input.receiptRef, limit: 25 };
  const sessions = Sessions.safeParse(await client.graphql(sessionsQuery, variables, call)).data;
  const found = (sessions?.Session ?? []).filter(
    ({ amount, description }) =>
      Number(amount) === input.paid.amount && description?.includes(input.orderRef ?? ""),
  );
  const [session] = found;
  if (!session || found.length > 1) throw refuseState("The panel doesn't show this payment once.");
  return String(session.id);
}
