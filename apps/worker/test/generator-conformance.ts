import { createImageIntake } from "@ducat/storage/image-intake";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createPhotoFetcher } from "../src/fetch-photo.ts";
import { checkUsage } from "../src/generators/check-usage.ts";
import { type Context, type Generator, sentMark, type Task } from "../src/generators/generator.ts";
import type { ModelDeps } from "../src/generators/run-once.ts";
import { type Books, type Fault, faults, type Order } from "./model-books.ts";
import { makeResult } from "./model-picture.ts";
import { assertBooks, type ItemRow, type MadeItem, quick, type Stage, setStage } from "./stage.ts";

/** A generator and the provider that it speaks to. */
export type Subject = {
  name: string;
  kind: "image" | "text";
  /** From a photo, instead of from a text. */
  fromPhoto?: boolean;
  params: Task["style"]["params"];
  server: { books: Books };
  /** Faults hit the questions about work that has its id, not the submission. */
  isPolled?: boolean;
  /** One that waits for an answer as long as it is told. */
  createGenerator(deps: ModelDeps, timeoutS: number): Generator;
  /** Where its API differs from what most do; null for a fault that it can't have. */
  ends?: Partial<Record<Fault, End | null>>;
};

/** How an item ends whose provider has the fault once, or always. */
export type End = { once: string; ever?: string };

/** `completed`, or the code of the failure. What may have been done is never sent again. */
export const usualEnds: Record<Fault, End> = {
  "limit-seconds": { once: "completed", ever: "provider_limit" },
  "limit-date": { once: "completed", ever: "provider_limit" },
  overloaded: { once: "completed", ever: "provider_failed" },
  unauthorized: { once: "provider_failed" },
  "bad-input": { once: "provider_refused" },
  redirect: { once: "provider_failed" },
  "error-before": { once: "outcome_unknown" },
  "error-after": { once: "outcome_unknown" },
  hang: { once: "outcome_unknown" },
  truncated: { once: "outcome_unknown" },
  cut: { once: "outcome_unknown" },
  html: { once: "outcome_unknown" },
  "wrong-type": { once: "bad_output" },
  "broken-output": { once: "bad_output" },
  huge: { once: "outcome_unknown" },
  "error-inside": { once: "provider_failed" },
  drip: { once: "outcome_unknown" },
  "reset-before": { once: "outcome_unknown" },
  "reset-after": { once: "outcome_unknown" },
  "absurd-usage": { once: "completed" },
  "negative-usage": { once: "completed" },
  refused: { once: "moderation_refused" },
  filtered: { once: "moderation_refused" },
};

const always = 99;
const styles = { image: "modern_minimalist", text: "product_description" };

type Run = { subject: Subject; order: Order; item: MadeItem; end: string };
type Key = `${string} ${Fault | "none"} ${number}`;

/**
 * What every generator of a provider must stand: each fault, through the real worker on a real
 * database, ends in exactly one charge or one pay-back, and the provider has done, by its own
 * books, at most one piece of work for the item. All items run side by side, in one worker.
 */
export function testConformance(start: () => Promise<Subject[]>, names: string[]): void {
  let stage: Stage;
  let subjects: Subject[];
  let local: Generator;
  const runs = new Map<Key, Run>();
  const rows = new Map<string, ItemRow>();

  beforeAll(async () => {
    [stage, subjects] = await Promise.all([setStage("postgres"), start()]);
    expect(subjects.map(({ name }) => name)).toEqual(names);
    const chosen = new Map(subjects.map((one) => [one.name, toGenerator(one)]));
    const photo = await makePhoto();
    await Promise.all(subjects.flatMap((one) => planRuns(one).map((plan) => prepare(one, plan))));
    const items = [...runs.values()].map(({ item }) => item);
    local = {
      name: "chosen",
      async run(task, context) {
        const run = [...runs.values()].find(({ item }) => item.itemId === task.itemId);
        const generator = run && chosen.get(run.subject.name);
        if (!run || !generator) throw new Error("an item of nobody");
        return await generator(run.order)(toTask(task, run.subject, photo), context);
      },
    };
    await stage.enqueue(...items);
    await startWorker();
    for (const row of await stage.ended(...items)) rows.set(row.id, row);
    await stage.closeWorkers();
  });
  afterAll(() => stage.close());

  const startWorker = () => {
    // A lease that lapses on a busy machine would look like a worker that died.
    const timings = { ...quick, leaseSeconds: 60 };
    return stage.createWorker({ generators: { local }, concurrency: 64, timings }).start();
  };
  const prepare = async (subject: Subject, { fault, times, end }: Plan) => {
    const order = subject.server.books.order(fault ? { fault, times } : {});
    const input = { type: "text", prompt: order.prompt };
    const item = await stage.makeItem({}, { style: styles[subject.kind], input });
    const run = { subject, order, item, end };
    runs.set(`${subject.name} ${fault ?? "none"} ${times}`, run);
    return run;
  };
  const find = (name: string) => {
    const subject = subjects.find((one) => one.name === name);
    if (!subject) throw new Error(`no subject ${name}`);
    const own = [...runs].filter(([key]) => key.startsWith(`${name} `));
    return { subject, own };
  };
  const endOf = ({ item }: Run) => {
    const row = rows.get(item.itemId);
    return row?.status === "completed" ? "completed" : row?.error_code;
  };

  it.each(names)("%s ends every fault as it should", (name) => {
    const { own } = find(name);
    const ends = own.map(([key, run]) => [key, endOf(run)]);
    expect(Object.fromEntries(ends)).toEqual(
      Object.fromEntries(own.map(([key, { end }]) => [key, end])),
    );
  });

  it.each(names)("%s is asked for one piece of work an item, whatever happens", (name) => {
    const { subject, own } = find(name);
    const { books } = subject.server;
    const twice = own.filter(([, { order }]) => books.submissions(order.id).length > 1);
    expect(twice.map(([key]) => key)).toEqual([]);
    // Nothing is given away: what is completed was paid for by us.
    const free = own.filter((one) => endOf(one[1]) === "completed" && !books.owed(one[1].order.id));
    expect(free.map(([key]) => key)).toEqual([]);
    expect(books.strays).toEqual([]);
  });

  it.each(names)("%s: each item is captured once or paid back once", async (name) => {
    const items = find(name).own.map(([, { item }]) => item);
    await assertBooks(stage, items);
  });

  it("a worker that stops while they work: the next one asks, and pays nobody twice", async () => {
    runs.clear();
    const plans = subjects.map((subject) => {
      const plan = planRuns(subject).find(({ fault }) => fault === "hang");
      return { subject, plan };
    });
    const begun: Run[] = [];
    for (const { subject, plan } of plans) {
      if (plan) begun.push(await prepare(subject, plan));
    }
    const items = begun.map(({ item }) => item);
    await stage.enqueue(...items);
    await startWorker();
    const books = [...new Set(subjects.map(({ server }) => server.books))];
    const asked = ({ order }: Run) => books.some((one) => one.asked(order.id) > 0);
    await expect.poll(() => begun.every(asked), { timeout: 30_000 }).toBe(true);
    await stage.closeWorkers();
    await startWorker();
    for (const row of await stage.ended(...items)) rows.set(row.id, row);
    expect(begun.map(endOf)).toEqual(begun.map(({ end }) => end));
    for (const { order } of begun) {
      const submissions = books.flatMap((one) => one.submissions(order.id));
      expect(submissions.length).toBeLessThanOrEqual(1);
    }
    await assertBooks(stage, items);
  });

  it("nothing of an order is in the log", () => {
    const logged = JSON.stringify(stage.lines);
    expect(logged).not.toContain("a garden by the sea");
  });
}

type Plan = { fault: Fault | undefined; times: number; end: string };

function planRuns({ ends = {} }: Subject): Plan[] {
  const plans = faults.flatMap((fault): Plan[] => {
    const end = ends[fault] === undefined ? usualEnds[fault] : ends[fault];
    if (end === null) return [];
    const once = { fault, times: 1, end: end.once };
    return end.ever === undefined ? [once] : [once, { fault, times: always, end: end.ever }];
  });
  return [{ fault: undefined, times: 0, end: "completed" }, ...plans];
}

/** No answer is ever to come, or not in time: it need not be waited for long. */
const slow: ReadonlySet<Fault | undefined> = new Set(["hang", "drip"]);
const patientS = 60;
const impatientS = 2;

/**
 * The subject's generator for an order, its usage as the router hands it on. Only where nothing is
 * to be waited for is it impatient: a busy machine must not look like a provider that is away.
 */
function toGenerator(subject: Subject): (order: Order) => Generator["run"] {
  const deps = {
    fetchPhoto: createPhotoFetcher({ allowHosts: [] }),
    imageIntake: createImageIntake(),
    mostAnswerBytes: 2 * 1024 * 1024,
  };
  const patient = subject.createGenerator(deps, patientS);
  const impatient = subject.createGenerator(deps, impatientS);
  return ({ fault, times }) =>
    async (task, context) => {
      const isKnown = context.requestId !== null;
      const isPolled = subject.isPolled === true;
      const isSlow = slow.has(fault) && (task.attempt <= times || isPolled);
      const isSubmit = isPolled && !isKnown;
      const generator = isSlow && !isSubmit ? impatient : patient;
      const cut = isSlow && isSubmit ? cutOff(context) : context;
      const outcome = await generator.run(task, cut);
      if (outcome.status === "unknown" || !outcome.usage) return outcome;
      const { usage } = checkUsage(outcome.usage, { kind: subject.kind, most: 40_000 });
      return { ...outcome, usage };
    };
}

/** Breaks off when the id is kept, so that only the next attempt asks about it. */
function cutOff(context: Context): Context {
  return {
    ...context,
    async saveRequestId(id) {
      await context.saveRequestId(id);
      if (id !== sentMark) throw new Error("cut off");
    },
  };
}

function toTask(task: Task, { params, fromPhoto }: Subject, photo: Buffer): Task {
  const style = { ...task.style, params, prompt: "{input}" };
  if (!fromPhoto || task.input.type !== "text") return { ...task, style };
  // The mark is in the template, then.
  const prompt = task.input.prompt;
  return { ...task, style: { ...style, prompt }, input: { type: "photo", photo } };
}

async function makePhoto(): Promise<Buffer> {
  return await sharp(await makeResult())
    .webp()
    .toBuffer();
}
