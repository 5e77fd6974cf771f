import { expect, it } from "vitest";
import { readPhone } from "./phone-number.ts";

const everywhere = { countries: [] };
const iran = { countries: ["IR"] };

it("has one form of a number, however it is written", () => {
  const forms = [
    ...["+989121234567", "00989121234567", "+98 912 123 4567", "+98 (912) 123-4567"],
    ...["۰۰۹۸۹۱۲۱۲۳۴۵۶۷", "+۹۸۹۱۲۱۲۳۴۵۶۷", "٠٠٩٨٩١٢١٢٣٤٥٦٧", " +98-912-123-4567 "],
    ...["\u202a+989121234567\u202c", "+9809121234567"],
  ];
  for (const form of forms) expect(readPhone(form, everywhere), form).toBe("+989121234567");
});

it("knows the country of a number without one only where there is one country", () => {
  for (const form of ["09121234567", "۰۹۱۲۱۲۳۴۵۶۷", "9121234567"]) {
    expect(readPhone(form, iran), form).toBe("+989121234567");
    expect(readPhone(form, everywhere), form).toBeUndefined();
    expect(readPhone(form, { countries: ["IR", "DE"] }), form).toBeUndefined();
  }
});

it("takes numbers of allowed countries only", () => {
  expect(readPhone("+4915112345678", everywhere)).toBe("+4915112345678");
  expect(readPhone("+4915112345678", iran)).toBeUndefined();
  expect(readPhone("+16045551234", { countries: ["US"] }), "Canada has +1 too").toBeUndefined();
  expect(readPhone("+12125551234", { countries: ["US"] })).toBe("+12125551234");
});

it("refuses what is no number of a telephone that gets messages", () => {
  const others = [
    ...["", "+", "abc", "+98912", "+98912123456789", "+982188776655", "+442071234567"],
    ...["+80012345678", "tel:+989121234567", "+989121234567;ext=2", "+989121234567 x2"],
    ...["call +989121234567", "+989121234567\0", "+0000000000", "9".repeat(200), "+999123456789"],
  ];
  for (const other of others) expect(readPhone(other, everywhere), other).toBeUndefined();
});
