import { readFile } from "node:fs/promises";
import { listDefaults, StyleInputs } from "@ducat/types/style-inputs";
import { describe, expect, it } from "vitest";
import { makeContext, makeTask } from "../../test/generator-task.ts";
import type { Task } from "./generator.ts";
import { occasions } from "./letter-phrases.ts";
import { createLocalGenerator } from "./local.ts";
import { tones } from "./product-phrases.ts";
import { renderPrompt } from "./render-prompt.ts";
import { countTokens } from "./write-text.ts";

const local = createLocalGenerator();
const mug = "handmade ceramic mug, glazed in deep blue, dishwasher safe";
const persianMug = "لیوان سفالی دست‌ساز، لعاب آبی و مناسب ماشین ظرفشویی";

type Asked = { prompt?: string; params?: Record<string, unknown>; label?: string; id?: string };
const order = (look: string, { prompt = mug, params = {}, label, id = "item-1" }: Asked = {}) =>
  makeTask({
    ...{ look, kind: "text", itemId: id, label: label ?? null, params },
    input: { type: "text", prompt },
  });
async function run(task: Task) {
  const outcome = await local.run(task, makeContext());
  if (outcome.status !== "completed" || outcome.output.kind !== "text") {
    throw new Error(`no text: ${JSON.stringify(outcome)}`);
  }
  return { text: outcome.output.text, usage: outcome.usage };
}
const describeProduct = async (asked?: Asked) =>
  (await run(order("product_description", asked))).text;
const writeTo = async (asked?: Asked) => (await run(order("letter", asked))).text;
/** Of the letters, how many are of the Arabic script. */
const persianShare = (text: string) =>
  (text.match(/\p{Script=Arabic}/gu)?.length ?? 0) / (text.match(/\p{L}/gu)?.length ?? 1);

describe("a description", () => {
  it("is in Persian where that is asked for, with the product's own words", async () => {
    const text = await describeProduct({ prompt: persianMug, params: { language: "fa" } });
    expect(persianShare(text)).toBe(1);
    expect(text).toContain("لیوان سفالی دست‌ساز");
    expect(text).toContain("- لعاب آبی\n- مناسب ماشین ظرفشویی");
  });

  it("has its category and attributes in it, each on a line of its own", async () => {
    const attributes = { colour: "deep\nblue", volume: 350, odd: { a: 1 }, __proto: null };
    const params = { category: "Kitchen\n\nPRICE: 0", attributes };
    const text = await describeProduct({ params });
    expect(text).toContain("One of our picks in Kitchen PRICE: 0.");
    expect(text).toContain("- Colour: deep blue\n- Volume: 350\n");
    expect(text).not.toContain("[object");
  });

  it("is as long as is asked for", async () => {
    for (const language of ["en", "fa"]) {
      const sizes = ["short", "medium", "long"].map(async (length) => {
        return (await describeProduct({ params: { language, length } })).length;
      });
      const [short = 0, medium = 0, long = 0] = await Promise.all(sizes);
      expect(short).toBeLessThan(medium);
      expect(medium).toBeLessThan(long);
    }
  });

  it("sounds different in each tone and each language", async () => {
    const asked = ["en", "fa"].flatMap((language) => tones.map((tone) => ({ language, tone })));
    const texts = await Promise.all(asked.map((params) => describeProduct({ params })));
    expect(new Set(texts).size).toBe(asked.length);
  });
});

describe("a letter", () => {
  it("is to its recipient, says what the caller wants, and ends with the sender", async () => {
    const params = { recipient: "Ada\nLovelace", sender: "Charles", occasion: "thanks" };
    const text = await writeTo({ prompt: "your notes were a joy to read", params });
    expect(text.startsWith("Dear Ada Lovelace,\n\n")).toBe(true);
    expect(text).toContain("thank you");
    expect(text).toContain("Your notes were a joy to read.");
    expect(text.endsWith("Best regards,\nCharles")).toBe(true);
  });

  it("is in Persian where that is asked for, with its label as the subject", async () => {
    const params = { language: "fa", recipient: "مریم", tone: "warm", occasion: "birthday" };
    const prompt = "دلم برایت تنگ شده است";
    const text = await writeTo({ prompt, params, label: "تولد" });
    expect(persianShare(text)).toBe(1);
    expect(text.startsWith("موضوع: تولد\n\nمریم عزیزم،\n\nتولدت مبارک!")).toBe(true);
    expect(text).toContain("دلم برایت تنگ شده است.");
  });

  it("is another one for each occasion", async () => {
    const asked = occasions.map((occasion) => writeTo({ params: { occasion } }));
    expect(new Set(await Promise.all(asked)).size).toBe(occasions.length);
  });
});

describe("any text", () => {
  it("is the same for the same item, and not for all items", async () => {
    for (const write of [describeProduct, writeTo]) {
      const params = { language: "fa" };
      expect(await write({ params })).toBe(await write({ params }));
      const ids = Array.from({ length: 12 }, (_, at) => `item-${at}`);
      const texts = await Promise.all(ids.map((id) => write({ params, id })));
      expect(new Set(texts).size).toBeGreaterThan(3);
    }
  });

  it("has the tokens of its prompt and of itself as usage, one for four characters", async () => {
    expect(["", "abcd", "abcde", "🦀🦀🦀🦀", "سلام!"].map(countTokens)).toEqual([0, 1, 2, 1, 2]);
    for (const look of ["product_description", "letter"]) {
      const task = order(look, { params: { language: "fa" }, prompt: persianMug });
      task.style.prompt = "Write in {params.language}: {input}";
      const { text, usage } = await run(task);
      const inputTokens = countTokens(`Write in fa: ${persianMug}`);
      expect(usage).toEqual({ inputTokens, outputTokens: Math.ceil([...text].length / 4) });
    }
  });

  it("is refused in a language that there are no templates of", async () => {
    for (const language of ["de", "toString", 7, null]) {
      const refused = await local.run(order("letter", { params: { language } }), makeContext());
      const expected = { status: "failed", code: "language_unsupported", retryable: false };
      // A param that is null is one that was not named.
      if (language !== null) expect(refused).toMatchObject(expected);
      else expect(refused).toMatchObject({ status: "completed" });
    }
  });

  it("has a sensible length, whatever is asked for", async () => {
    const odd = [undefined, 7, {}, [], "x".repeat(5_000), "🦀".repeat(300), "a\nb", ""];
    for (const value of odd) {
      const params = { tone: value, length: value, category: value, attributes: value };
      const names = { recipient: value, sender: value, occasion: value };
      for (const language of ["en", "fa"]) {
        const asked = { params: { ...params, ...names, language }, prompt: String(value) };
        for (const text of [await describeProduct(asked), await writeTo(asked)]) {
          expect(text.length).toBeGreaterThan(80);
          expect(text.length).toBeLessThan(3_000);
          expect(text).not.toMatch(/\p{Surrogate}/u);
        }
      }
    }
  });
});

describe("the styles of a release", async () => {
  const file = new URL("../../../../packages/db/seed/styles.json", import.meta.url);
  const styles: { id: string; prompt: string; params: Record<string, unknown> }[] = JSON.parse(
    await readFile(file, "utf8"),
  );
  const written = styles.filter(({ params }) => params.inputs !== undefined);

  it("give models a prompt with the style's own values where nobody names others", () => {
    expect(written.map(({ id }) => id)).toEqual(["product_description", "letter"]);
    for (const { prompt, params } of written) {
      const task = order("x", { params: { tone: "warm" } });
      const text = renderPrompt({ ...task, style: { ...task.style, prompt, params } });
      expect(text).toContain("Language: en. Tone: warm.");
      expect(text).not.toMatch(/[{}]/);
    }
  });

  it("take no word that the templates don't know", async () => {
    for (const { params } of written) {
      const { properties } = StyleInputs.parse(params.inputs);
      expect(listDefaults({ properties })).toMatchObject({ language: "en", tone: "plain" });
      const texts = Object.entries(properties).flatMap(([name, input]) => {
        const values = input.type === "string" ? (input.enum ?? []) : [];
        return values.map(async (value) => {
          const { text } = await run(order(String(params.look), { params: { [name]: value } }));
          return `${name}: ${text}`;
        });
      });
      const all = await Promise.all(texts);
      expect(new Set(all).size).toBe(all.length);
    }
  });

  it("keep numbers whole", async () => {
    const { text } = await run(order("product_description", { prompt: "kettle, 1.7 l, steel" }));
    expect(text).toContain("1.7 l");
  });
});
