import { type CountryCode, parsePhoneNumberFromString } from "libphonenumber-js/min";

export type PhoneRules = {
  /** ISO 3166 codes of the countries that numbers may be of; empty: all. */
  countries: readonly string[];
};

/** What a code can be sent to; of most countries the small metadata doesn't know. */
const reachable = new Set([undefined, "MOBILE", "FIXED_LINE_OR_MOBILE"]);
/** Iran's mobile numbers: ITU-T Operational Bulletin, national numbering plan of +98. */
const iranianMobile = /^\+989\d{9}$/;

/**
 * The one form (E.164) of a telephone number that a code may be sent to: it may begin with + or 00
 * and have Persian digits, spaces and hyphens. Where codes go to one country only, numbers may be
 * written as people write them there. Undefined for anything else.
 */
export function readPhone(text: string, { countries }: PhoneRules): string | undefined {
  const plain = toAsciiDigits(text.trim()).replace(/^00/, "+");
  if (!/^\+?[\d\s().-]{4,30}$/.test(plain)) return undefined;
  const [only] = countries.length === 1 ? (countries as CountryCode[]) : [];
  const options = { extract: false, ...(only !== undefined && { defaultCountry: only }) };
  const number = parsePhoneNumberFromString(plain, options);
  if (!number?.isValid() || !reachable.has(number.getType())) return undefined;
  if (countries.length > 0 && !countries.includes(number.country ?? "")) return undefined;
  if (number.countryCallingCode === "98" && !iranianMobile.test(number.number)) return undefined;
  return number.number;
}

/** Persian and Arabic digits and plus signs as those that everybody reads. */
const toAsciiDigits = (text: string) =>
  text
    .replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => `${digit.charCodeAt(0) % 16}`)
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace("\uff0b", "+");
