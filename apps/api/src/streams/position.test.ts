import { DomainError } from "@ducat/types/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  readAccountPosition,
  readGenerationPosition,
  writeAccountPosition,
  writeGenerationPosition,
} from "./position.ts";

const tail = fc.stringMatching(/^[0-9a-f]{12}$/);
const one = fc.record({
  attempt: fc.nat(999_999_999),
  chars: fc.nat(100_000),
  permille: fc.nat(1_000),
});
const seen = fc
  .uniqueArray(fc.tuple(tail, one), { maxLength: 100, selector: ([key]) => key })
  .map((entries) => new Map(entries));
const account = fc.record({
  seq: fc.nat({ max: 1e15 - 1 }),
  balance: fc.option(
    fc.record({ ledgerSeq: fc.nat({ max: 1e15 - 1 }), held: fc.nat({ max: 1e15 - 1 }) }),
    { nil: undefined },
  ),
  seen,
});
const generation = fc.record({ endedNo: fc.nat(10_001), seen });

const refused = (read: () => unknown) => {
  try {
    read();
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
  return undefined;
};

describe("the position in a stream", () => {
  it("is read as it was written, however many items are in work", () => {
    fc.assert(
      fc.property(account, generation, (a, g) => {
        expect(readAccountPosition(writeAccountPosition(a), "x")).toEqual(a);
        expect(readGenerationPosition(writeGenerationPosition(g), "x")).toEqual(g);
      }),
      { numRuns: 50 },
    );
  });

  it("fits into a header with a hundred items", () => {
    const many = Array.from({ length: 100 }, (_, n) => {
      const digits = n.toString(16).padStart(12, "f");
      return [digits, { attempt: 999_999_999, chars: 100_000, permille: 1_000 }] as const;
    });
    const text = writeAccountPosition({
      ...{ seq: 1e15 - 1, balance: { ledgerSeq: 1e15 - 1, held: 1e15 - 1 } },
      seen: new Map(many),
    });
    expect(text.length).toBeLessThan(4_000);
    expect(readAccountPosition(text, "x").seen.size).toBe(100);
  });

  const item = ".0123456789ab:1:0:0";
  const tooMany = Array.from({ length: 101 }, (_, n) => `.${String(n).padStart(12, "0")}:1:0:0`);
  const hostile = [
    ...[
      "",
      " ",
      "a1",
      "a1.",
      "a1..",
      "a1.1",
      "a1.1.",
      "a1.1.1",
      "a1.1._",
      "a1.1.1_",
      "a1.1._1",
      "a1.1.-_1",
      "a1.-1.1_1",
      "a1.1.-1_1",
      "a1.1.1_-1",
      "a1.1.1_1.",
      "a2.1.1_1",
    ],
    ...[
      "a1.01.1_1",
      "a1.1.00_0",
      "a1.1.0_00",
      "a1.1e3.1_1",
      "a1.0x1.1_1",
      "a1.9999999999999999.1_1",
      "a1.1.1_1 ",
      " a1.1.1_1",
    ],
    ...[
      "A1.1.1_1",
      "a1.1.1_1\n",
      "a1.1.1_1\0",
      "a1.١.1_1",
      "a1.1.1_1;",
      "a1.1.1_1'--",
      "g1",
      "g1.",
      "g1.-",
      "g1.-1",
    ],
    ...["g1.01", "g1.1.1", "g1.9999999999", "g1.NaN", "null", "undefined", "[object Object]", "0"],
    ...[`g1.1${item}${item}`, `g1.1${item}.`, "g1.1.0123456789AB:1:0:0", "g1.1.0123456789ab:1:0"],
    ...["g1.1.0123456789ab:01:0:0", "g1.1.0123456789ab:-1:0:0", "g1.1.0123456789ab:1:0:0:0"],
    ...["g1.1.0123456789ab:1:9999999:0", `g1.1${".".repeat(3_000)}`, `g1.${"1".repeat(100_000)}`],
    `a1.1.1_1${tooMany.join("")}`,
    "../../etc/passwd",
  ];
  it.each(hostile)("is not %j", (text) => {
    expect(refused(() => readAccountPosition(text, "x"))).toBe("validation_failed");
    expect(refused(() => readGenerationPosition(text, "x"))).toBe("validation_failed");
  });

  it("of one kind of stream is none of the other", () => {
    expect(refused(() => readGenerationPosition("a1.1.1_1", "x"))).toBe("validation_failed");
    expect(refused(() => readAccountPosition("g1.1", "x"))).toBe("validation_failed");
  });

  it("is refused in no time, whatever somebody sends", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 8_000 }), (text) => {
        expect(refused(() => readAccountPosition(`a1.1.1_1${text}x`, "x"))).toBe(
          "validation_failed",
        );
        expect(refused(() => readGenerationPosition(text, "x"))).toBe("validation_failed");
      }),
      { numRuns: 40 },
    );
  });
});
