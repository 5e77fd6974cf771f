import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim } from "../test/work.ts";
import { listMissingMigrations, settleQueueKind } from "./database.ts";
import { seedStyles } from "./seed.ts";
import { findStyle, listStyles } from "./styles.ts";

const database = useDatabase();

const style = {
  id: "test_style",
  name: "Test",
  description: "A test.",
  category: "test",
  kind: "text",
  generator: "local",
  prompt: "first",
  params: { a: 1 },
  cost: 2,
};
const publish = async (...styles: object[]) =>
  (
    await database.admin`
    SELECT id FROM ducat.publish_styles(${JSON.stringify(styles)}::text::jsonb) AS id`
  ).map((row) => row.id);

describe("publish_styles", () => {
  it("makes a version of what is new or changed, and nothing of the same again", async () => {
    expect(await publish(style)).toEqual([style.id]);
    expect(await publish(style)).toEqual([]);
    expect(await publish({ ...style, cost: 3 })).toEqual([style.id]);
    expect(await findStyle(database.app, style.id)).toMatchObject({ version: 2, cost: 3 });
    expect(await publish(style)).toEqual([style.id]);
    expect(await findStyle(database.app, style.id)).toMatchObject({ version: 3, cost: 2 });
    const listed = await listStyles(database.app);
    expect(listed.filter((one) => one.id === style.id)).toHaveLength(1);
  });

  it("leaves generations the version that they were made with", async () => {
    await publish({ ...style, id: "kept", max_attempts: 1 });
    const { id } = await makeAccount(database.app, 9);
    const request = { ...makeKey(), style: "kept" };
    const made = await makeGeneration(database.app, id, request);
    await publish({ ...style, id: "kept", prompt: "second", cost: 5 });
    const item = await claim(database.worker, id, made);
    expect(item).toMatchObject({ style_version: 1, prompt: "first", cost: 2 });
    expect(await makeGeneration(database.app, id, request)).toMatchObject({ cost: 2 });
    const next = await makeGeneration(database.app, id, { style: "kept" });
    expect(next).toMatchObject({ style_version: 2, cost: 5 });
  });

  it("takes a style off the list, for creates as well", async () => {
    await publish({ ...style, id: "gone" });
    await publish({ ...style, id: "gone", is_active: false });
    const { id } = await makeAccount(database.app);
    expect(await findStyle(database.app, "gone")).toBeUndefined();
    const refused = await refusalOf(makeGeneration(database.app, id, { style: "gone" }));
    expect(refused).toEqual({ code: "not_found", what: "style" });
  });

  it("is done once by processes that start together", async () => {
    const all = await Promise.all([1, 2, 3].map(() => publish({ ...style, id: "together" })));
    expect(all.flat()).toEqual(["together"]);
    expect(await seedStyles(database.url)).toEqual([]);
  });
});

describe("the queue's kind", () => {
  it("is what the first process says, for all that come later", async () => {
    const kinds = await Promise.all(
      [database.app, database.worker, database.app].map((db, i) =>
        settleQueueKind(db, i % 2 ? "redis" : "postgres"),
      ),
    );
    expect(new Set(kinds).size).toBe(1);
  });
});

describe("listMissingMigrations", () => {
  it("names what a database lacks of this release, and nothing that it has more", async () => {
    expect(await listMissingMigrations(database.app)).toEqual([]);
    await database.admin`UPDATE ducat.migrations SET name = 'future' WHERE name = 'functions'`;
    expect(await listMissingMigrations(database.app)).toEqual(["functions"]);
    await database.admin`UPDATE ducat.migrations SET name = 'functions' WHERE name = 'future'`;
  });
});
