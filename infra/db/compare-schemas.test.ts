import { describe, expect, it } from "vitest";
import { findBreaks } from "./compare-schemas.ts";

const schema = `# schema
ducat owner ducat_owner; ducat_app=USAGE

# types
state enum (open, done) owner ducat_owner

# tables and views
orders table owner ducat_owner row security forced; ducat_app=INSERT,SELECT ducat_worker=SELECT
notes table owner ducat_owner; nobody

# columns
orders.id uuid not null default ducat.uuid_v7()
orders.name text
orders.at timestamp with time zone not null
notes.id uuid not null

# functions
add_order(p_id uuid, p_price numeric(10,2), p_name text)
  returns jsonb
  ducat_owner plpgsql volatile with (search_path=ducat); the last 1 optional
  body 1; ducat_app=EXECUTE ducat_worker=EXECUTE
list_orders(p_id uuid)
  returns TABLE(id uuid, name text)
  ducat_owner sql stable with (search_path=ducat)
  body 2; ducat_app=EXECUTE
make_order(p_id uuid, OUT id uuid, OUT at date)
  returns record
  ducat_owner sql volatile with (search_path=ducat)
  body 5; ducat_app=EXECUTE
find_orders(p_id uuid)
  returns SETOF ducat.orders
  ducat_owner sql stable with (search_path=ducat)
  body 4; ducat_app=EXECUTE
within(p_id uuid)
  returns uuid
  ducat_owner sql stable with (search_path=ducat)
  body 3; nobody

# rights on what the owner makes next
nobody
`;

const lastParameter = "p_name text";
const traits = "ducat_owner plpgsql volatile with (search_path=ducat)";

const breaks: [string, [string, string]][] = [
  ["type state lost done", ["(open, done)", "(open)"]],
  ["notes is gone", ["notes table owner ducat_owner; nobody\n", ""]],
  ["orders: no ducat_app INSERT", ["=INSERT,SELECT", "=SELECT"]],
  ["column orders.name is gone", ["orders.name text\n", ""]],
  ["column orders.name was text and is bigint", ["orders.name text", "orders.name bigint"]],
  ["column orders.name is newly NOT NULL", ["name text\n", "name text not null default ''\n"]],
  ["column orders.id lost its default", [" default ducat.uuid_v7()", ""]],
  ["new column orders.more must be given", ["orders.at", "orders.more text not null\norders.at"]],
  ["function list_orders is gone", ["list_orders(", "show_orders("]],
  ["function add_order: its parameters changed", ["p_price numeric(10,2), ", ""]],
  ["function add_order: its parameters changed", ["p_name text)", "p_title text)"]],
  ["function add_order: it needs more parameters", ["; the last 1 optional", ""]],
  [
    "function add_order: it needs more parameters",
    ["p_name text)", "p_name text, p_a int, p_b int)"],
  ],
  ["function add_order: no ducat_worker EXECUTE", [" ducat_worker=EXECUTE", ""]],
  ["function add_order: it no longer returns jsonb", ["returns jsonb", "returns text"]],
  [
    "function list_orders: it no longer returns each id uuid",
    ["TABLE(id uuid, name text)", "TABLE(name text)"],
  ],
  [
    "function find_orders: it no longer returns each at timestamp with time zone",
    ["SETOF ducat.orders", "TABLE(id uuid, name text)"],
  ],
  [
    "function find_orders: it no longer returns each id uuid",
    ["SETOF ducat.orders", "ducat.notes"],
  ],
  ["function make_order: it no longer returns record at date", [", OUT at date", ""]],
  ["function make_order: it needs more parameters", ["p_id uuid, OUT", "p_id uuid, p_n int, OUT"]],
];

const kept: [string, [string, string]][] = [
  ["another state", ["(open, done)", "(open, late, done)"]],
  ["a table", ["notes table", "news table owner ducat_owner; nobody\nnotes table"]],
  ["another right", ["=INSERT,SELECT", "=DELETE,INSERT,SELECT"]],
  ["a column that may be empty", ["orders.name", "orders.more text\norders.name"]],
  ["a column with a default", ["orders.name", "orders.n int not null default 0\norders.name"]],
  ["a needed column of a new table", ["notes.id uuid", "news.id uuid not null\nnotes.id uuid"]],
  ["a column that may now be empty", ["zone not null", "zone"]],
  [
    "a parameter with a default",
    [
      `${lastParameter})\n  returns jsonb\n  ${traits}; the last 1`,
      `${lastParameter}, p_a int)\n  returns jsonb\n  ${traits}; the last 2`,
    ],
  ],
  ["a column more in a result", ["uuid, name text)", "uuid, name text, at date)"]],
  [
    "a row that is written out, with more in it",
    ["SETOF ducat.orders", "TABLE(at timestamp with time zone, name text, n int, id uuid)"],
  ],
  [
    "more going in and coming out",
    [
      "p_id uuid, OUT id uuid, OUT at date)\n  returns record\n  ",
      "p_id uuid, p_n int, OUT id uuid, OUT at date)\n  returns record\n  the last 1 optional; ",
    ],
  ],
  ["another body", ["body 1", "body 9"]],
  ["an inner function's form", ["within(p_id uuid)", "within(p_id text)"]],
];

describe("findBreaks", () => {
  it.each(breaks)("tells that %s", (fault, [from, to]) => {
    expect(findBreaks(schema, schema.replace(from, to))).toContain(fault);
  });

  it.each(kept)("has nothing against %s", (_title, [from, to]) => {
    const changed = schema.replace(from, to);
    expect(changed).not.toBe(schema);
    expect(findBreaks(schema, changed)).toEqual([]);
  });
});
