import { readFile } from "node:fs/promises";
import { type ErrorCode, errors } from "@ducat/types/errors";
import { Problem } from "@ducat/types/problem";
import { describe, expect, it } from "vitest";

describe("docs/errors.md", async () => {
  const file = new URL("../../../docs/errors.md", import.meta.url);
  const sections = (await readFile(file, "utf8")).split(/^### /m).slice(1);

  it.each(sections.map((text) => [text.split("\n", 1)[0] ?? "", text]))(
    "shows %s as the API answers it",
    (code, text) => {
      const { status, title } = errors[code as ErrorCode];
      expect(text).toContain(`\n**${status}** · `);
      const [, example = ""] = /```json\n([\s\S]*?)```/.exec(text) ?? [];
      const type = `urn:ducat:problem:${code}`;
      expect(Problem.parse(JSON.parse(example))).toMatchObject({ type, title, status, code });
    },
  );
});
