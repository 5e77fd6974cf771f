import type { Mapping } from "@ducat/types/batches";
import { refuseAt } from "../problem.ts";

/** Members of a row that a column may be; `params.x` and `params.x.y` besides. */
const inputs = ["prompt", "photo_url", "photo_id", "address"] as const;
const member = /^(?:label|prompt|photo_url|photo_id|address|params(?:\.[^.]{1,64}){1,2})$/;
const mostColumns = 200;
const longestHeader = 200;

/** What people call columns, in English and Persian, as `normalize` writes it. */
const names: Record<string, string[]> = {
  label: ["label", "sku", "id", "title", "name", "برچسب", "شناسه", "کد", "عنوان"],
  prompt: [
    ...["prompt", "text", "description", "product", "product name", "name", "title"],
    ...["متن", "توضیح", "توضیحات", "شرح", "محصول", "نام محصول", "نام", "عنوان"],
  ],
  photo_url: ["photo url", "image url", "photo", "image", "picture", "url", "عکس", "تصویر"],
  photo_id: ["photo id", "upload id"],
  address: ["address", "آدرس", "نشانی"],
  "params.language": ["language", "lang", "زبان"],
  "params.tone": ["tone", "لحن"],
  "params.category": ["category", "دسته", "دسته بندی"],
  "params.attributes": ["attributes", "features", "ویژگی ها", "ویژگیها", "مشخصات"],
  "params.length": ["length", "طول"],
  "params.recipient": ["recipient", "to", "گیرنده"],
  "params.sender": ["sender", "from", "فرستنده"],
  "params.occasion": ["occasion", "مناسبت"],
  "params.size": ["size", "اندازه"],
  "params.quality": ["quality", "کیفیت"],
};

export type Columns = {
  /** By its place: the member that it is; null: none. */
  members: (string | null)[];
  /** The same by its header, for the answer. */
  told: Record<string, string | null>;
};

type Naming = {
  mapping?: Mapping | undefined;
  params: readonly string[];
  takesOthers?: boolean;
};

/**
 * What each column of a file is: what the mapping says, else what its header is known as. `params`
 * are those that the style knows, which columns may be named after; where it takes no others, a
 * header that is only called like another param is none.
 * Errors: validation_failed (no header to speak of, a header twice, one member twice, a mapping of
 * what isn't there).
 */
export function mapColumns(
  header: string[],
  { mapping = {}, params, takesOthers = true }: Naming,
): Columns {
  const headers = header.map((one) => one.trim());
  assertLengths(headers);
  // Once for each: headers are many, and so is what they are compared with.
  const plain = headers.map(normalize);
  assertDistinct(plain);
  const asked = findAsked(plain, mapping);
  const taken = new Set(asked.flatMap((one) => one ?? []));
  const members: (string | null)[] = headers.map((_, at) => asked[at] ?? null);
  const isFree = (at: number) => asked[at] === undefined && members[at] === null;
  const give = (at: number, name: string) => {
    members[at] = name;
    taken.add(name);
  };
  // Whoever writes a member's own name means it, before anything that is only called so.
  for (const [at, text] of headers.entries()) {
    const own = findOwn({ text, plain: plain[at] ?? "" }, params);
    if (own !== undefined && isFree(at) && !taken.has(own)) give(at, own);
  }
  // The words of a member in their order: `prompt` before `title`, which may be a label too.
  const isTaken = (name: string) =>
    takesOthers || !name.startsWith("params.") || params.includes(name.slice("params.".length));
  for (const name of ["prompt", ...Object.keys(names).filter(isTaken)]) {
    const words = taken.has(name) ? [] : (names[name] ?? []);
    const word = words.find((one) => plain.some((own, at) => isFree(at) && own === one));
    if (word === undefined) continue;
    give(
      plain.findIndex((own, at) => isFree(at) && own === word),
      name,
    );
  }
  const told = headers.map((text, at) => [text, members[at] ?? null] as const);
  return { members, told: Object.fromEntries(told.filter(([text]) => text !== "")) };
}

function assertLengths(headers: string[]): void {
  if (headers.length > mostColumns) throw refuseAt("/file", `At most ${mostColumns} columns.`);
  if (headers.some((one) => one.length > longestHeader)) {
    throw refuseAt("/file", `Headers have at most ${longestHeader} characters.`);
  }
}

function assertDistinct(plain: string[]): void {
  const seen = new Set<string>();
  for (const one of plain.filter((text) => text !== "")) {
    if (seen.has(one)) throw refuseAt("/file", "Two columns have the same header.");
    seen.add(one);
  }
}

/** By place what the mapping says of a column; undefined where it says nothing. */
function findAsked(plain: string[], mapping: Mapping): (string | null | undefined)[] {
  const asked: (string | null | undefined)[] = plain.map(() => undefined);
  const taken = new Set<string>();
  for (const [text, name] of Object.entries(mapping)) {
    const wanted = normalize(text);
    const at = wanted === "" ? -1 : plain.indexOf(wanted);
    if (at >= 0 && asked[at] !== undefined) {
      throw refuseAt("/mapping", "It names the same column twice.");
    }
    if (at < 0) throw refuseAt("/mapping", "It names a column that the file doesn't have.");
    if (name !== null && (!member.test(name) || isUnsafe(name))) {
      throw refuseAt("/mapping", `A column is label, ${inputs.join(", ")} or params.name.`);
    }
    if (name !== null && taken.has(name)) throw refuseAt("/mapping", "Two columns are the same.");
    if (name !== null) taken.add(name);
    asked[at] = name;
  }
  return asked;
}

type Header = { text: string; plain: string };

function findOwn({ text, plain }: Header, params: readonly string[]): string | undefined {
  const name = text.normalize("NFKC");
  const [, of = "params", rest = ""] = /^(params|attributes)\.(.+)$/i.exec(name) ?? [];
  if (rest !== "") {
    const own = of.toLowerCase() === "params" ? `params.${rest}` : `params.attributes.${rest}`;
    return member.test(own) && !isUnsafe(own) ? own : undefined;
  }
  const param = params.find((one) => normalize(one) === plain);
  if (param !== undefined) return `params.${param}`;
  return [...inputs, "label"].find((one) => normalize(one) === plain);
}

const isUnsafe = (name: string) => name.split(".").includes("__proto__");

/** One writing of what means the same: case, hyphens, the letters of Arabic keyboards. */
const normalize = (text: string): string =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll("ي", "ی")
    .replaceAll("ك", "ک")
    .replace(/[\s_\-\u200b-\u200f]+/g, " ")
    .trim();
