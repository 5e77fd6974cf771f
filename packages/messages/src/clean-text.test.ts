import { expect, it } from "vitest";
import { cleanText, readName } from "./clean-text.ts";

it("makes one line of a text, without what could add a header or turn a direction", () => {
  expect(cleanText("  a\r\nBcc: x@y.z\t\0b\u2028c ")).toBe("a Bcc: x@y.z b c");
  expect(cleanText("\u202eevil\u202c \ud800!")).toBe("evil !");
  expect(cleanText("می\u200cخواهم 👩\u200d🎨")).toBe("می\u200cخواهم 👩\u200d🎨");
});

it("cuts a text by characters, never within one", () => {
  expect(cleanText("😀".repeat(9), 4)).toBe("😀😀😀…");
  expect(cleanText("😀".repeat(4), 4)).toBe("😀😀😀😀");
});

it("greets by a name that is only a name", () => {
  const names = ["Sara", "J. R. O’Neill-Smith", "سارا احمدی", "می\u200cنا", "Müller & Co., 2"];
  for (const name of names) expect(readName(name)).toBe(name);
  const others = ["", null, "visit evil.example", "http://evil.example", "<b>x</b>", "x@y.z"];
  for (const name of others) expect(readName(name), String(name)).toBeUndefined();
});
