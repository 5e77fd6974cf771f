/**
 * What of one schema another lacks, so that code made for the first would fail on the second: both
 * as `readSchema` writes them. Tables keep their columns and rights, inserts need nothing new, and
 * functions that apps may call keep their parameters, results and rights. One line a fault.
 */
export function findBreaks(before: string, after: string): string[] {
  const [old, now] = [readSections(before), readSections(after)];
  return [
    ...findLostValues(old.types, now.types),
    ...findLostRights(old.tables, now.tables),
    ...findColumnBreaks(old, now),
    ...findFunctionBreaks(old, now),
  ];
}

type Sections = { types: string[]; tables: string[]; columns: string[]; functions: string[] };

function readSections(text: string): Sections {
  const read = (title: string) =>
    text
      .split(/^# /m)
      .find((section) => section.startsWith(`${title}\n`))
      ?.trim()
      // A function has four lines, all but the first of them indented.
      .replaceAll("\n  ", " | ")
      .split("\n")
      .slice(1) ?? [];
  return {
    types: read("types"),
    tables: read("tables and views"),
    columns: read("columns"),
    functions: read("functions"),
  };
}

/** `role=RIGHT,RIGHT …` after the last semicolon, as `role RIGHT`. */
function readRights(line: string): string[] {
  const list = line.slice(line.lastIndexOf(";") + 1).trim();
  return list.split(" ").flatMap((part) => {
    const [role = "", rights] = part.split("=");
    return rights?.split(",").map((right) => `${role} ${right}`) ?? [];
  });
}

const nameOf = (line: string) => /^\S+/.exec(line)?.[0] ?? "";
const missing = (old: string[], now: string[]) => old.filter((each) => !now.includes(each));

function findLostValues(old: string[], now: string[]): string[] {
  const read = (line: string) => /\((.*)\)/.exec(line)?.[1]?.split(", ") ?? [];
  return old.flatMap((line) => {
    const same = now.find((other) => nameOf(other) === nameOf(line)) ?? "";
    return missing(read(line), read(same)).map((value) => `type ${nameOf(line)} lost ${value}`);
  });
}

function findLostRights(old: string[], now: string[]): string[] {
  return old.flatMap((line) => {
    const name = nameOf(line);
    const same = now.find((other) => nameOf(other) === name);
    if (same === undefined) return [`${name} is gone`];
    return missing(readRights(line), readRights(same)).map((right) => `${name}: no ${right}`);
  });
}

function readColumn(line: string) {
  const [, name = "", type = "", rules = ""] =
    /^(\S+) (.+?)((?: not null| default | generated ).*)?$/.exec(line) ?? [];
  const isNeeded = rules.includes("not null");
  return { name, type, isNeeded, isGiven: / default | generated /.test(rules) };
}

function findColumnBreaks(old: Sections, now: Sections): string[] {
  const had = new Map(old.columns.map((line) => [readColumn(line).name, readColumn(line)]));
  const has = new Map(now.columns.map((line) => [readColumn(line).name, readColumn(line)]));
  const tables = new Set(old.tables.map(nameOf));
  const changed = [...had.values()].flatMap(({ name, type, isNeeded, isGiven }) => {
    const column = has.get(name);
    if (column === undefined) return [`column ${name} is gone`];
    if (column.type !== type) return [`column ${name} was ${type} and is ${column.type}`];
    if (isGiven && !column.isGiven) return [`column ${name} lost its default`];
    return column.isNeeded && !isNeeded ? [`column ${name} is newly NOT NULL`] : [];
  });
  const added = [...has.values()].flatMap(({ name, isNeeded, isGiven }) => {
    const isNew = tables.has(name.split(".")[0] ?? "") && !had.has(name);
    return isNew && isNeeded && !isGiven ? [`new column ${name} must be given`] : [];
  });
  return [...changed, ...added];
}

type Callable = {
  parameters: string[];
  /** OUT parameters. */
  results: string[];
  optional: number;
  returns: string;
  rights: string[];
};

function findFunctionBreaks(old: Sections, now: Sections): string[] {
  const nameOfFunction = (line: string) => line.slice(0, line.indexOf("("));
  // Names are unique: no function of ours has two forms.
  const has = new Map(now.functions.map((line) => [nameOfFunction(line), line]));
  return old.functions.flatMap((line) => {
    const name = nameOfFunction(line);
    const called = readFunction(line);
    if (called.rights.length === 0) return [];
    const same = has.get(name);
    if (same === undefined) return [`function ${name} is gone`];
    const callable = readFunction(same);
    const faults = compareFunctions(called, callable);
    const columns = missing(readResult(called, old), readResult(callable, now));
    faults.push(...columns.map((column) => `it no longer returns ${column}`));
    return faults.map((fault) => `function ${name}: ${fault}`);
  });
}

function readFunction(line: string): Callable {
  const [head = "", returns = "", traits = ""] = line.split(" | ");
  const all = splitList(head.slice(head.indexOf("(") + 1, head.lastIndexOf(")")));
  return {
    parameters: all.filter((parameter) => !parameter.startsWith("OUT ")),
    results: all.flatMap((parameter) => /^OUT (.*)/.exec(parameter)?.[1] ?? []),
    optional: Number(/the last (\d+) optional/.exec(traits)?.[1] ?? 0),
    returns: returns.replace(/^returns /, ""),
    rights: readRights(line),
  };
}

function compareFunctions(old: Callable, now: Callable): string[] {
  const faults = missing(old.rights, now.rights).map((right) => `no ${right}`);
  const kept = now.parameters.slice(0, old.parameters.length);
  if (kept.join() !== old.parameters.join()) faults.push("its parameters changed");
  const needed = now.parameters.length - now.optional;
  if (needed > old.parameters.length - old.optional) faults.push("it needs more parameters");
  return faults;
}

/**
 * What a function returns, as `name type` for each column of a row, which readers take by name, or
 * its type. A single row and many are not the same.
 */
function readResult({ returns, results }: Callable, { columns }: Sections): string[] {
  if (results.length > 0) return results.map((each) => `${returns} ${each}`);
  const [, many = "", table] = /^(SETOF )?ducat\.(\w+)$/.exec(returns) ?? [];
  const rows = columns.filter((line) => line.startsWith(`${table}.`));
  if (table !== undefined && rows.length > 0) {
    return rows.map((line) => {
      const { name, type } = readColumn(line);
      return `${many && "each "}${name.slice(table.length + 1)} ${type}`;
    });
  }
  const list = /^TABLE\((.*)\)$/.exec(returns)?.[1];
  return list === undefined ? [returns] : splitList(list).map((column) => `each ${column}`);
}

/** What stands between commas outside of brackets, as in `a numeric(10,2), b text`. */
function splitList(text: string): string[] {
  return text === "" ? [] : text.split(/, (?![^(]*\))/);
}
