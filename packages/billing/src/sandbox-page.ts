import { DomainError } from "@ducat/types/errors";
import { z } from "zod";
import { formatMoney } from "./money.ts";
import { refresh, runDue } from "./sandbox-due.ts";
import type { SandboxKeeper } from "./sandbox-keeper.ts";
import { answerChallenge, choose } from "./sandbox-payments.ts";
import type { SandboxPayment, SandboxSubscription } from "./sandbox-store.ts";
import { cancel, resume } from "./sandbox-subscriptions.ts";

const maxFormBytes = 4096;

/**
 * The sandbox's page: GET and POST of …/checkout/<id> and …/portal/<id>, for any server that
 * speaks Request and Response. After a POST the webhooks are on their way before it answers, as
 * real providers do it. Knowing the address is the right to use it, as with theirs.
 */
export async function handleSandboxPage(
  keeper: SandboxKeeper,
  request: Request,
): Promise<Response> {
  const [, noun, id = ""] =
    /\/(checkout|portal)\/([\w-]{1,80})$/.exec(new URL(request.url).pathname) ?? [];
  const isPost = request.method === "POST";
  if (!noun || !(isPost || request.method === "GET")) return page(404, "Not found", "");
  try {
    const form = isPost ? await readForm(request) : new URLSearchParams();
    const answer = noun === "checkout" ? handleCheckout : handlePortal;
    const response = await answer(keeper, id, form);
    if (isPost) await runDue(keeper);
    return response;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return page(error.code === "not_found" ? 404 : 400, "That didn't work", "");
  }
}

const Choice = z.object({
  outcome: z.enum(["success", "decline", "authenticate", "delayed"]).optional(),
  card: z.enum(["succeed", "decline", "authenticate", "lose_answer"]).default("succeed"),
  challenge: z.enum(["pass", "fail"]).optional(),
});

async function handleCheckout(
  keeper: SandboxKeeper,
  id: string,
  form: URLSearchParams,
): Promise<Response> {
  const document = await refresh(keeper, id);
  if (document.kind !== "payment") throw new DomainError("not_found");
  if (form.size === 0) return showCheckout(document);
  const parsed = Choice.safeParse(Object.fromEntries(form));
  if (!parsed.success) return page(400, "Unknown choice", "");
  const { outcome, card, challenge } = parsed.data;
  if (challenge) return showCheckout(await answerChallenge(keeper, id, challenge === "pass"));
  if (!outcome) return page(400, "Unknown choice", "");
  const after = await choose(keeper, id, { outcome, card });
  return showCheckout(after, outcome === "decline" ? "The card was declined." : "");
}

function showCheckout(payment: SandboxPayment, notice = ""): Response {
  const { status, title, price, saveMethod, purpose } = payment;
  if (status === "paid" || status === "processing") return leave(payment.returnUrl);
  if (status === "expired" || status === "failed") return page(410, "This checkout has ended", "");
  const heading = `${toHtml(title)}: ${toHtml(formatMoney(price))}`;
  if (status === "challenged") {
    const buttons =
      button("challenge", "pass", "I am the owner") + button("challenge", "fail", "Fail");
    return page(200, heading, `<p>3-D Secure: is it you?</p>${form(buttons)}`);
  }
  const keeps = saveMethod || purpose === "subscription";
  const cards = [
    option("succeed", "is charged"),
    option("decline", "is declined"),
    option("authenticate", "needs 3-D Secure"),
    option("lose_answer", "is charged, but the answer gets lost"),
  ].join("");
  const later = `<p><label>Later this card <select name="card">${cards}</select></label></p>`;
  const buttons =
    button("outcome", "success", "Pay") +
    button("outcome", "decline", "Decline") +
    button("outcome", "authenticate", "3-D Secure") +
    button("outcome", "delayed", "Pay, but delayed");
  const back = `<p><a href="${toHtml(payment.cancelUrl)}">Back</a></p>`;
  return page(
    200,
    heading,
    `<p>${toHtml(notice)}</p>${form((keeps ? later : "") + buttons)}${back}`,
  );
}

async function handlePortal(
  keeper: SandboxKeeper,
  id: string,
  values: URLSearchParams,
): Promise<Response> {
  const portal = await keeper.get("portal", id);
  if (portal.expiresAt <= keeper.now()) return page(410, "This address has ended", "");
  const time = await keeper.timeOf(await refresh(keeper, portal.subscriptionRef));
  const act = values.get("act");
  const subscription =
    act === "cancel" || act === "resume"
      ? await keeper.change("subscription", portal.subscriptionRef, (one) => {
          if (act === "cancel") cancel(one, "period_end", time);
          else resume(one, time);
        })
      : await keeper.get("subscription", portal.subscriptionRef);
  return showPortal(subscription, portal.returnUrl);
}

function showPortal(subscription: SandboxSubscription, returnUrl: string): Response {
  const { planRef, status, price, interval, periodEnd, cancelAtPeriodEnd } = subscription;
  const until = new Date(periodEnd).toISOString().slice(0, 10);
  const state = cancelAtPeriodEnd ? `ends on ${until}` : `${status}, until ${until}`;
  const act = cancelAtPeriodEnd
    ? button("act", "resume", "Resume")
    : button("act", "cancel", "Cancel");
  const body =
    `<p>${toHtml(formatMoney(price))} a ${interval}: ${state}</p>` +
    (status === "canceled" ? "" : form(act)) +
    `<p><a href="${toHtml(returnUrl)}">Back</a></p>`;
  return page(200, toHtml(planRef), body);
}

/** The form's bytes are counted before they are parsed; no form here needs 4 KB. */
async function readForm(request: Request): Promise<URLSearchParams> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of request.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > maxFormBytes) throw new DomainError("payload_too_large");
  }
  return new URLSearchParams(text);
}

const leave = (location: string) => new Response(null, { status: 303, headers: { location } });
const form = (fields: string) => `<form method="post">${fields}</form>`;
const option = (value: string, text: string) => `<option value="${value}">${text}</option>`;
const button = (name: string, value: string, text: string) =>
  `<button name="${name}" value="${value}">${text}</button> `;

function toHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Nothing is loaded from anywhere, and no other page may frame it. */
function page(status: number, heading: string, body: string): Response {
  const style = "body{font:1rem/1.5 system-ui;max-width:36rem;margin:3rem auto;padding:0 1rem}";
  const html =
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Ducat sandbox</title>' +
    '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">' +
    `<style>${style}</style><p>Sandbox: no money moves here.</p><h1>${heading}</h1>${body}</html>`;
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy":
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
  };
  return new Response(html, { status, headers });
}
