import { randomUUID } from "node:crypto";
import type { ClaimedItem } from "@ducat/db/items";
import sharp from "sharp";
import { expect, it } from "vitest";
import { BadOutput } from "../generators/bad-output.ts";
import { checkPicture, checkText } from "./check-output.ts";

const item = { account_id: randomUUID(), item_id: randomUUID(), attempt: 3 } as ClaimedItem;
const create = { width: 40, height: 30, channels: 3, background: "#2f6f4f" } as const;

it.each([
  ["webp", "webp", "image/webp"],
  ["png", "png", "image/png"],
  ["jpeg", "jpg", "image/jpeg"],
] as const)("tells a %s by its bytes", async (format, extension, type) => {
  const bytes = await sharp({ create }).toFormat(format).toBuffer();
  const { output } = await checkPicture(item, { bytes });
  expect(output).toMatchObject({ type, width: 40, height: 30, size: bytes.length });
  const { key, sha256 } = output as { key: string; sha256: string };
  expect(key).toBe(`${item.account_id}/${item.item_id}/3/${sha256}.${extension}`);
});

it("refuses what is empty, too long, of another format or no picture", async () => {
  const picture = await sharp({ create }).png().toBuffer();
  const bad = [
    Buffer.alloc(0),
    Buffer.concat([picture, Buffer.alloc(32 * 1024 * 1024)]),
    await sharp({ create }).gif().toBuffer(),
    Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
    Buffer.from("<h1>Maintenance</h1>"),
  ];
  for (const bytes of bad) {
    await expect(checkPicture(item, { bytes })).rejects.toThrow(BadOutput);
  }
});

it("refuses an empty text and one that is too long", () => {
  for (const text of ["", " \n\0 ", "a".repeat(100_001)]) {
    expect(() => checkText(text)).toThrow(BadOutput);
  }
  expect(checkText(" kept\n").output).toEqual({ kind: "text", text: "kept" });
});
