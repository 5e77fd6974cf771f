import { checkIds, type Examination } from "./examine.ts";

const defaultSeconds = 600;
const mostSeconds = 86_400;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Given = {
  deep?: boolean | undefined;
  account?: string | undefined;
  after?: string | undefined;
  only?: string | undefined;
  "limit-seconds"?: string | undefined;
};

/** What the command's arguments ask for. Throws an Error that says what is wrong with one. */
export function readOptions(
  given: Given,
): Pick<Examination, "deep" | "account" | "after" | "only" | "limitMs"> {
  const { deep = false, account, after } = given;
  for (const [name, id] of Object.entries({ account, after })) {
    if (id !== undefined && !uuid.test(id)) throw new Error(`--${name} is the id of an account.`);
  }
  if (account !== undefined && after !== undefined) {
    throw new Error("--account looks at one account, --after at those after one: not both.");
  }
  return { deep, account, after, only: readOnly(given.only), limitMs: readLimit(given) };
}

function readOnly(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const asked = text.split(",").map((check) => check.trim());
  const unknown = asked.filter((check) => !checkIds.includes(check));
  if (unknown.length === 0) return asked;
  throw new Error(`--only has no check ${unknown.join(", ")}; there are: ${checkIds.join(", ")}.`);
}

function readLimit({ "limit-seconds": text }: Given): number {
  const seconds = text === undefined ? defaultSeconds : Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= mostSeconds) return seconds * 1_000;
  throw new Error(`--limit-seconds is a number from 1 to ${mostSeconds}.`);
}
