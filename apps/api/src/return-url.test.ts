import { expect, it } from "vitest";
import { checkReturnUrl } from "./return-url.ts";

const publicUrl = "https://api.example.com";
const allowedOrigins = ["https://app.example.com"];
const check = (url: string, mode: "test" | "live" = "live") =>
  checkReturnUrl({ mode, publicUrl, allowedOrigins }, url);
const refusal = expect.objectContaining({ code: "validation_failed" });

it("takes pages of the allowed origins and our own, as a browser will read them", () => {
  expect(check("https://app.example.com/a?b#c")).toBe("https://app.example.com/a?b#c");
  expect(check("https://api.example.com")).toBe("https://api.example.com/");
  expect(check("HTTPS://APP.example.com:443/a/../b")).toBe("https://app.example.com/b");
});

it("takes this machine in test mode only", () => {
  const here = ["http://localhost:3000/", "http://127.0.0.1:3000/", "http://[::1]/"];
  for (const url of here) {
    expect(check(url, "test")).toBe(url);
    expect(() => check(url)).toThrow(refusal);
  }
  for (const url of ["http://localhost.evil.example/", "http://127.0.0.1.evil.example/"]) {
    expect(() => check(url, "test")).toThrow(refusal);
  }
});

it("takes no other origin, scheme or port, and no name before the host", () => {
  const foreign = [
    "http://app.example.com/",
    "https://app.example.com:8443/",
    "https://app.example.com.evil.example/",
    "https://app.example.com@evil.example/",
    "https://me:secret@app.example.com/",
    "https://evil.example\\@app.example.com/",
    "javascript:alert(1)",
    "blob:https://app.example.com/x",
  ];
  for (const url of foreign) expect(() => check(url, "test"), url).toThrow(refusal);
  expect(() => check(`https://app.example.com/${"x".repeat(2048)}`)).toThrow(refusal);
});
