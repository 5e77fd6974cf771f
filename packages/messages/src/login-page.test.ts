import { describe, expect, it } from "vitest";
import { createFormats } from "./formats.ts";
import { checkLoginPage, LoginPageSettings } from "./login-page.ts";

const Checked = LoginPageSettings.superRefine(checkLoginPage);
const ALLOWED_ORIGINS = "https://app.example.com, https://shop.example,http://localhost:3000";
const read = (LOGIN_PAGE_URL?: string) =>
  Checked.safeParse({ ALLOWED_ORIGINS, ...(LOGIN_PAGE_URL && { LOGIN_PAGE_URL }) });

describe("the page that mailed links lead to", () => {
  it.each([
    ["https://app.example.com", "https://app.example.com"],
    ["https://app.example.com/", "https://app.example.com"],
    ["https://shop.example/de/account/", "https://shop.example/de/account"],
    ["http://localhost:3000/login", "http://localhost:3000/login"],
  ])("is %s, one of a site that may call the API", (text, page) => {
    expect(read(text).data?.LOGIN_PAGE_URL).toBe(page);
  });

  it.each([
    "https://evil.example/account",
    "https://app.example.com.evil.example/",
    "https://app.example.com:8443/account",
    "http://app.example.com/account",
    "https://me:secret@app.example.com/account",
    "https://app.example.com/account?next=x",
    "https://app.example.com/#/account",
    "javascript:alert(1)",
    "/my-own-page",
    `https://app.example.com/${"x".repeat(500)}`,
  ])("is never %s", (text) => {
    const { success, error } = read(text);
    expect([success, error?.issues.map(({ path }) => path)]).toEqual([false, [["LOGIN_PAGE_URL"]]]);
    expect(error?.message).not.toContain(text);
  });

  it("is our own where none is set", () => {
    expect(read().data?.LOGIN_PAGE_URL).toBeUndefined();
    const { loginLink } = createFormats("en", { publicUrl: "https://api.example" });
    expect(loginLink("verify-email", "a+b")).toBe(
      "https://api.example/auth/verify-email?token=a%2Bb",
    );
  });

  it("is where links to prove and to reset lead, and no other link", () => {
    const urls = { publicUrl: "https://api.example", loginPageUrl: "https://shop.example/me" };
    const { loginLink, payLink } = createFormats("fa", urls);
    expect(loginLink("reset-password", "x")).toBe("https://shop.example/me/reset-password?token=x");
    expect(payLink("r")).toBe("https://api.example/pay/r");
  });
});
