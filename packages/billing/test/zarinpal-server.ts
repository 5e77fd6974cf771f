import { hasFixtures, readFixture, shape } from "./fixtures.ts";
import { type Answer, type Incoming, startServer, type TestServer } from "./http-server.ts";

type Session = {
  authority: string;
  id: string;
  amount: number;
  description: string;
  callback_url: string;
  referer: string;
  refId: number;
  status: "ACTIVE" | "IN_BANK" | "PAID" | "VERIFIED" | "FAILED" | "REVERSED";
  refunded: number;
  paidAt: number;
};
export type ZarinpalServer = TestServer & {
  sessions: Map<string, Session>;
  /** The buyer at the bank. */
  pay(authority: string): void;
  fail(authority: string): void;
  /** ZarinPal verified by itself: our first verify hears 101. */
  autoVerify(authority: string): void;
  /** What is asked of the panel is refused, as with a token that has expired. */
  refusePanel: boolean;
};

export const zarinpalMerchant = "1344b5d4-0048-11e8-94db-005056a205be";
export const zarinpalToken = "panel-token";
const halfAnHour = 30 * 60 * 1000;

/** The five envelopes in which the same refusals have been seen, in turn. */
const envelopes = [
  (code: number, message: string) => ({ data: [], errors: { code, message, validations: [] } }),
  (code: number, message: string) => ({ data: {}, errors: { code, message } }),
  (code: number, message: string) => ({ data: [], errors: [{ code, message }] }),
  (code: number, message: string) => ({ data: [], errors: { code: String(code), message } }),
  (code: number, message: string) => ({ message, errors: { authority: [message, String(code)] } }),
];
const statuses = [200, 401, 422, 400];

/** A server that answers as ZarinPal's gateway v4 and its panel do, with live authorities. */
export async function startZarinpal(now: () => number, letter = "A"): Promise<ZarinpalServer> {
  const sessions = new Map<string, Session>();
  let refusals = 0;
  const refuse = (code: number): Answer => {
    const make = envelopes[refusals % envelopes.length] ?? envelopes[0];
    const status = statuses[refusals % statuses.length] ?? 200;
    refusals += 1;
    return { status, body: make?.(code, "refused") };
  };
  const server = await startServer((request) => {
    const call = request.path.split("/").at(-1) ?? "";
    const body = JSON.parse(request.raw.toString("utf8"));
    if (request.path === "/api/v4/graphql/") return answerPanel(extended, request, body);
    if (body.merchant_id !== zarinpalMerchant) return refuse(-10);
    const answer = calls[call as keyof typeof calls];
    return answer ? answer({ server: extended, body, refuse, now, letter }) : { status: 404 };
  });
  const get = (authority: string) => {
    const session = sessions.get(authority);
    if (!session) throw new Error("no session");
    return session;
  };
  const extended: ZarinpalServer = {
    ...server,
    sessions,
    refusePanel: false,
    pay: (authority) => Object.assign(get(authority), { status: "PAID", paidAt: now() }),
    fail: (authority) => Object.assign(get(authority), { status: "FAILED" }),
    autoVerify: (authority) => Object.assign(get(authority), { status: "VERIFIED" }),
  };
  return extended;
}

type Body = {
  amount: number;
  currency: string;
  description: string;
  callback_url: string;
  authority: string;
  metadata?: { auto_verify?: unknown };
};
type Call = {
  server: ZarinpalServer;
  body: Body;
  refuse: (code: number) => Answer;
  now: () => number;
  letter: string;
};

const calls = {
  "request.json": ({ server, body, refuse, letter }: Call): Answer => {
    const { amount, currency, description, callback_url, metadata } = body;
    if (typeof description !== "string" || String(description).length > 500) return refuse(-9);
    if (currency !== "IRR" || !Number.isInteger(amount) || amount < 1000) return refuse(-9);
    if (amount > 1_000_000_000) return refuse(-41);
    if (metadata?.auto_verify !== false) return refuse(-9);
    const number = String(server.sessions.size + 1);
    const authority = `${letter}${`${number}ydq5`.padStart(35, "0")}`;
    server.sessions.set(authority, {
      ...{ authority, id: `58${number.padStart(7, "0")}`, amount, description, callback_url },
      ...{ referer: "/", refId: 200 + Number(number), status: "ACTIVE", refunded: 0, paidAt: 0 },
    });
    const recorded = shape("zarinpal/docs/request.ok.json", {}) as { data?: object };
    const data = { code: 100, message: "Success", ...recorded.data, authority };
    return { body: { data, errors: [] } };
  },
  "verify.json": ({ server, body, refuse }: Call): Answer => {
    const session = server.sessions.get(body.authority);
    if (!session) return refuse(-54);
    if (session.amount !== body.amount) return refuse(-50);
    if (session.status !== "PAID" && session.status !== "VERIFIED") return refuse(-51);
    const code = session.status === "PAID" ? 100 : 101;
    session.status = "VERIFIED";
    const recorded = shape(`zarinpal/docs/verify.${code}.json`, {}) as { data?: object };
    const data = { code, message: "Verified", card_pan: "502229******5995", ...recorded.data };
    // A number from the gateway, a text in the SDK's recordings: both come.
    const ref_id = code === 100 ? session.refId : String(session.refId);
    return { body: { data: { ...data, ref_id }, errors: [] } };
  },
  "inquiry.json": ({ server, body, refuse }: Call): Answer => {
    const session = server.sessions.get(body.authority);
    if (!session) return refuse(-54);
    const { authority, amount } = session;
    const status = session.status === "ACTIVE" ? "IN_BANK" : session.status;
    return {
      body: { data: { code: 100, message: "Success", authority, amount, status }, errors: [] },
    };
  },
  "unVerified.json": ({ server }: Call): Answer => {
    const authorities = [...server.sessions.values()]
      .filter(({ status }) => status === "PAID")
      .map(({ authority, amount, callback_url, referer }) => {
        return { authority, amount, callback_url, referer, date: "2026-11-20 18:00:00" };
      });
    return { body: { data: { code: "100", message: "Success", authorities } } };
  },
  "reverse.json": ({ server, body, refuse, now }: Call): Answer => {
    const session = server.sessions.get(body.authority);
    if (!session) return refuse(-54);
    if (session.status !== "VERIFIED") return refuse(-61);
    if (now() - session.paidAt > halfAnHour) return refuse(-63);
    session.status = "REVERSED";
    return hasFixtures
      ? { body: readFixture("zarinpal/docs/reverse.ok.json").toString("utf8") }
      : { body: { data: { code: 100, message: "Reversed" }, errors: [] } };
  },
};

/** The panel's GraphQL: only the three documents that an SDK or the documentation shows. */
function answerPanel(
  server: ZarinpalServer,
  request: Incoming,
  body: { query: string; variables: Record<string, never> },
): Answer {
  const isAllowed = request.headers.authorization === `Bearer ${zarinpalToken}`;
  if (!isAllowed || server.refusePanel)
    return { body: { errors: [{ message: "Unauthenticated." }] } };
  const { query, variables } = body;
  if (query.includes("Terminals")) {
    const Terminals = [
      { id: "349555", key: zarinpalMerchant },
      { id: "1", key: "other" },
    ];
    return { body: { data: { Terminals } } };
  }
  const all = [...server.sessions.values()];
  if (query.includes("AddRefund")) {
    const session = all.find(({ id }) => id === variables.session_id);
    const amount = Number(variables.amount);
    if (!session || amount < 20_000 || session.refunded + amount > session.amount) {
      return { body: { errors: [{ message: "validation" }], data: { resource: null } } };
    }
    session.refunded += amount;
    const timeline = { refund_amount: amount, refund_time: "2026-11-20", refund_status: "PENDING" };
    return { body: { data: { resource: { terminal_id: "349555", id: "re1", amount, timeline } } } };
  }
  const Session = all
    .filter(({ refId }) => String(refId) === variables.reference_id)
    .map(({ id, amount, description, status }) => ({ id, amount, description, status }));
  return { body: { data: { Session } } };
}
