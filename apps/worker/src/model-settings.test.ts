import { expect, it } from "vitest";
import { ModelSettings, readProviders } from "./model-settings.ts";

const read = (
  variables: Record<string, string>,
  file?: unknown,
  mode: "test" | "live" = "live",
) => {
  const settings = { ...ModelSettings.parse(variables), DUCAT_MODE: mode };
  const text = file === undefined || typeof file === "string" ? file : JSON.stringify(file);
  return readProviders(settings, { file: text, source: variables });
};
const usual = { headers: {}, timeout_s: 120, costs: {} };

it("knows providers by variables alone", () => {
  expect(read({})).toEqual([]);
  expect(
    read({ OPENAI_COMPATIBLE_URL: "http://127.0.0.1:11434/v1", FAL_KEY: "fal-secret" }),
  ).toEqual([
    { ...usual, name: "openai", kind: "openai", url: "http://127.0.0.1:11434/v1" },
    { ...usual, name: "fal", kind: "fal", key: "fal-secret" },
  ]);
  expect(read({ OPENAI_COMPATIBLE_KEY: "sk-secret" })).toMatchObject([{ key: "sk-secret" }]);
  // An address alone is no account there.
  expect(read({ GOOGLE_API_URL: "https://gemini.example" })).toEqual([]);
});

it("knows any number by a file, with their limits and costs", () => {
  const azure = {
    kind: "openai",
    url: "https://us.example/openai?api-version=2025-04-01",
    headers: { "api-key": "x" },
    api: "images",
    most_running: 4,
    daily_cap_micros: 5_000_000,
    timeout_s: 300,
    costs: { "gpt-image-1": { image_micros: 42_000 }, "*": { most_micros: 100_000 } },
  };
  const google = { kind: "google", key_env: "EU_KEY", idempotency_header: "Idempotency-Key" };
  const providers = read({ EU_KEY: "eu-secret" }, { azure_us: azure, gemini: google });
  expect(providers).toEqual([
    { ...azure, name: "azure_us" },
    {
      ...{ ...usual, name: "gemini", kind: "google", key: "eu-secret" },
      idempotency_header: "Idempotency-Key",
    },
  ]);
});

it("names every fault at once and repeats no value", () => {
  const file = {
    a: { kind: "openai", url: "http://models.example", key_env: "A_KEY" },
    b: { kind: "google" },
    c: { kind: "fal", key_env: "C_KEY", api: "chat" },
    d: { kind: "openai", url: "https://d.example", daily_cap_micros: 100 },
    google: { kind: "google", key_env: "A_KEY" },
  };
  const parse = () => read({ A_KEY: "secret-secret", GOOGLE_API_KEY: "secret-google" }, file);
  for (const fault of [
    "a: a key goes over https:// only",
    "b: needs a key",
    "c: C_KEY holds no key",
    "c: api is for the kind openai",
    "d: daily_cap_micros needs costs",
    "google: is named in the environment already",
  ]) {
    expect(parse).toThrow(fault);
  }
  expect(parse).not.toThrow("secret");
  expect(read({ A_KEY: "secret-secret" }, { a: file.a }, "test")).toHaveLength(1);
});

it.each<[string, unknown]>([
  ["no JSON", "{"],
  ["local", { local: { kind: "openai" } }],
  ["Openai", { Openai: { kind: "openai" } }],
  ["kind", { a: { kind: "azure" } }],
  ["key", { a: { kind: "openai", key: "sk-in-the-file" } }],
  ["url", { a: { kind: "openai", url: "ftp://a.example" } }],
  ["url", { a: { kind: "openai", url: "https://user:pass@a.example" } }],
  ["most_running", { a: { kind: "openai", most_running: 0 } }],
  ["daily_cap_micros", { a: { kind: "openai", daily_cap_micros: -1 } }],
  ["costs", { a: { kind: "openai", costs: { model: { image_micros: 0.5 } } } }],
  ["costs", { a: { kind: "openai", costs: { model: {} } } }],
])("refuses a file for its %s", (fault, file) => {
  expect(() => read({}, file)).toThrow(fault);
});

it("takes a key in a header for one, and for what a header can hold", () => {
  const url = "http://models.example";
  const file = { a: { kind: "openai", url, headers: { "api-key": "secret" } } };
  expect(() => read({}, file)).toThrow("a: a key goes over https:// only");
  expect(read({}, { a: { kind: "openai", url, headers: { "x-team": "garden" } } })).toHaveLength(1);
  expect(read({ FAL_KEY: " fal-secret\n" })).toMatchObject([{ key: "fal-secret" }]);
  expect(() => read({ FAL_KEY: "fal\nsecret" })).toThrow("visible ASCII");
  expect(() => read({ A_KEY: "کلید-کلید" }, { a: { kind: "google", key_env: "A_KEY" } })).toThrow(
    "a: A_KEY holds no key",
  );
  const split = { a: { kind: "openai", headers: { "x-a": "b\r\nx-c: d" } } };
  expect(() => read({}, split)).toThrow("on one line");
});
