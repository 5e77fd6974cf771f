import { describe, expect, it } from "vitest";
import { samples } from "../test/samples.ts";
import type { ReceiptData } from "./kinds/receipt.ts";
import { kinds } from "./kinds.ts";
import { renderMessage, renderReceipt } from "./render-message.ts";

const options = { publicUrl: "https://pay.example", brand: "Acme" };
const render = (kind: string, locale: string, data: unknown = samples[kind], name = "Sara") =>
  renderMessage({ kind, locale, data, name }, options);
const everything = [...kinds.keys()].flatMap((kind) => [
  [kind, "en"],
  [kind, "fa"],
]) as [string, string][];
const payPage = "https://pay.example/pay/k3Vb9fJ2nQx8Rt5LmZp0";
const token = "Zr7q_tK3vYw0bN5mXc8LdP2sHf6jGaQe-1uVoTiRkEx";
/** Where each kind leads that has something to do. */
const pages: Record<string, string> = {
  reload_needs_customer: payPage,
  renewal_due: payPage,
  reset_password: `https://pay.example/auth/reset-password?token=${token}`,
  verify_email: `https://pay.example/auth/verify-email?token=${token}`,
};
/** What a reader sees of HTML, entities as characters. */
const read = (html: string) =>
  html
    .replace(/<title>.*?<\/title>|<!--.*?-->/gs, "")
    .replace(/<[^>]+>/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&#x27;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, "&");

describe.each(everything)("%s in %s", (kind, locale) => {
  it("says the same as HTML, as text and as a short message", async () => {
    const { subject, html, text, sms } = await render(kind, locale);
    expect(subject).toMatch(/^\P{Cc}{8,80}$/u);
    expect(html).toContain(`<title>${subject}</title>`);
    const seen = read(html).replace(/\s+/g, " ");
    for (const part of text.replace("-- \n", "").split("\n").filter(Boolean)) {
      // A row is two cells, and a button's label has no colon.
      for (const piece of part.split(/: |:$/)) expect(seen).toContain(piece);
    }
    expect(sms.length).toBeLessThanOrEqual(200);
    expect(sms.startsWith("Acme: ")).toBe(true);
    expect([html, text, sms].join()).not.toMatch(/undefined|null|NaN|\[object|Invalid/);
  });

  it("is written in the language's direction and digits", async () => {
    const { html, text } = await render(kind, locale);
    const [dir, align] = locale === "fa" ? ["rtl", "right"] : ["ltr", "left"];
    expect(html).toContain(`<html dir="${dir}" lang="${locale}">`);
    expect(html).toMatch(new RegExp(`<body[^>]* dir="${dir}"|<body dir="${dir}"`));
    expect(html).toContain(`text-align:${align}`);
    const sample = Object.values(samples[kind] ?? {}).join(" ");
    const own = text
      .split(/[\s\u2068\u2069]/)
      .filter((word) => /\d/.test(word) && !sample.includes(word));
    const links = /^https:\/\/pay\.example\//;
    if (locale === "fa") expect(own.filter((word) => !links.test(word))).toEqual([]);
  });

  it("links to the page where there is something to do, and nowhere else", async () => {
    const { html, text, sms } = await render(kind, locale);
    const links = html.match(/https?:\/\/[^"<\s]+/g) ?? [];
    const outside = links.filter((link) => !link.startsWith("http://www.w3.org/"));
    const url = pages[kind];
    expect([...new Set(outside)]).toEqual(url ? [url] : []);
    for (const form of [text, sms]) {
      expect(form.match(/https:\S+/g)).toEqual(url ? [url] : null);
    }
  });
});

describe("what others wrote", () => {
  const hostile = `<img src=x onerror=alert(1)>"'&\r\nBcc: all@example.com\u202e`;
  const product = { en: hostile, fa: hostile };

  it("stays text wherever it stands", async () => {
    for (const kind of ["receipt", "renewal_due", "pass_ending", "subscription_ended"]) {
      const data = { ...samples[kind], product, subject: hostile, receipt_ref: hostile };
      const message = await renderMessage(
        { kind, locale: "en", data, name: hostile },
        { ...options, brand: hostile },
      );
      expect(message.html).not.toContain("<img");
      expect(message.html).toContain("&lt;img src=x onerror=alert(1)&gt;");
      expect(message.subject).not.toMatch(/[\r\n]/);
      expect(message.text).not.toMatch(/^Bcc/m);
      expect(message.sms).not.toMatch(/^Bcc/m);
      expect(JSON.stringify(message)).not.toContain("\u202e");
    }
  });

  it("is no longer than a line", async () => {
    const long = { en: "x".repeat(5_000) };
    const { subject, html } = await render("receipt", "en", { ...samples.receipt, product: long });
    expect(subject.length).toBeLessThanOrEqual(200);
    expect(html).not.toContain("x".repeat(200));
  });

  it("greets nobody by an advertisement", async () => {
    const text = async (name: string) => (await render("refund", "en", undefined, name)).text;
    expect(await text("Sara")).toMatch(/^Hello Sara,\n/);
    expect(await text("win at https://evil.example")).toMatch(/^Hello,\n/);
  });
});

describe("data", () => {
  it("that names a reason has a sentence for it, and one for any other", async () => {
    const reload = async (code: string | null) => {
      const data = { ...samples.reload_needs_customer, code };
      return [
        await render("reload_needs_customer", "en", data),
        await render("reload_needs_customer", "fa", data),
      ];
    };
    const codes = ["authentication_required", "no_method", "card_declined", null];
    const texts = (await Promise.all(codes.map(reload))).map(
      ([en, fa]) => `${en?.text}${fa?.text}`,
    );
    expect(new Set(texts).size).toBe(3);
    const ends = ["failures", "method_removed", "price_retired", "unheard_of", null];
    const ended = ends.map((reason) => render("reload_disabled", "en", { reason }));
    expect(new Set((await Promise.all(ended)).map(({ text }) => text)).size).toBe(4);
  });

  it("may lack what is optional, as null too", async () => {
    const { receipt_ref, ...receipt } = samples.receipt ?? {};
    await render("receipt", "fa", { ...receipt, product: null, receipt_ref: null });
    await render("receipt", "en", receipt);
    await render("payment_failed", "en", { ...samples.payment_failed, next_attempt_at: null });
    await render("pass_ending", "fa", { ...samples.pass_ending, subject: null });
    await render("reload_disabled", "fa", {});
    const { text } = await render("refund", "en", { ...samples.refund, credits: 0 });
    expect(text).not.toContain("taken back");
  });

  it("that doesn't fit is refused for ever, naming the fields and no values", async () => {
    const broken = { ...samples.renewal_due, amount: "secret", reference: "../../secret" };
    const refused = render("renewal_due", "en", broken);
    await expect(refused).rejects.toMatchObject({
      name: "DeliveryError",
      isFinal: true,
      message: expect.stringMatching(/reference: is no reference.*amount: /),
    });
    await expect(refused).rejects.not.toThrow("secret");
    for (const kind of kinds.keys()) {
      if (["reload_disabled", "login_exists", "password_changed"].includes(kind)) continue;
      await expect(render(kind, "fa", {})).rejects.toMatchObject({ isFinal: true });
    }
    await expect(render("nothing\n", "en", {})).rejects.toThrow('there is no message "nothing"');
  });
});

describe("a receipt's page", () => {
  const receipt = samples.receipt as ReceiptData;

  it("shows the payment, what was refunded and who paid, and greets nobody", async () => {
    const html = await renderReceipt(
      { ...receipt, refunded: 1_000_000, customer: "Sara <x>" },
      "en",
    );
    const seen = read(html);
    for (const text of [
      "Pack of 50",
      "IRR 5,000,000",
      "IRR 1,000,000",
      "Sara <x>",
      "201",
      "6037",
    ]) {
      expect(seen).toContain(text);
    }
    expect(seen).not.toContain("Hello");
    expect(html).not.toMatch(/<script|<link|src=|href=/);
  });

  it("is a Persian page for a Persian reader", async () => {
    const html = await renderReceipt(receipt, "fa-IR");
    expect(html).toContain('<html dir="rtl" lang="fa">');
    expect(read(html)).toContain("۵٬۰۰۰٬۰۰۰ ریال (۵۰۰٬۰۰۰ تومان)");
  });
});
