import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { describeReport } from "./describe-report.ts";
import { checkIds } from "./examine.ts";

const page = fileURLToPath(new URL("../../docs/doctor.md", import.meta.url));

it("every finding leads to a heading of docs/doctor.md, and no heading is left over", async () => {
  const text = await readFile(page, "utf8");
  const headings = [...text.matchAll(/^### (\S+)$/gm)].map(([, id]) => id);
  expect(headings.sort()).toEqual([...checkIds].sort());
});

it("a report says what is wrong, by which rows, what to do, and what was not looked at", () => {
  const text = describeReport({
    ok: false,
    findings: [{ check: "I3", title: "it chains", rows: [{ account_id: "a", seq: 1 }] }],
    skipped: [{ check: "roll-ups", reason: "it took too long" }],
    accounts: 1,
    seconds: 0.4,
  });
  expect(text.split("\n")).toEqual([
    "✗ I3: not so: it chains",
    '    {"account_id":"a","seq":1}',
    "    what to do: docs/doctor.md#i3",
    "",
    "? roll-ups: could not be looked at: it took too long",
    "1 rule is broken. (1 account in 0.4 s)",
  ]);
});
