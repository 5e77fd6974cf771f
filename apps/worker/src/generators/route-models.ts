import type { Log } from "../log.ts";
import type { ItemMeter, ProviderMeter } from "../meter.ts";
import { safeError } from "../safe-error.ts";
import { BadOutput } from "./bad-output.ts";
import { type Link, type Mark, readMark, writeMark } from "./chain.ts";
import type { Task } from "./generator.ts";
import { type Context, type Failure, type Generator, type Outcome, sentMark } from "./generator.ts";
import type { Asked, Gate } from "./provider-gate.ts";

type Completed = Extract<Outcome, { status: "completed" }>;
type Unfinished = Exclude<Outcome, { status: "completed" }>;

export type RouteWork<Made> = {
  /** As the style's own model is asked; another's provider and params take their place. */
  task: Task;
  chain: Link[];
  /** `requestId` and `saveRequestId` are the item's, with their marks. */
  context: Context;
  /** The deadline has passed: nothing new is begun. */
  isOverdue: boolean;
  /** Checks what a model has made. Throws BadOutput. */
  accept(outcome: Completed, link: Link): Promise<Made>;
};

export type RouteDeps = {
  generators: Record<string, Generator>;
  gates: ReadonlyMap<string, Gate>;
  meter: Pick<ProviderMeter, "fellBack"> & Pick<ItemMeter, "generated">;
  log: Log;
};

export type RouteModels = <Made>(work: RouteWork<Made>) => Promise<Made | Unfinished>;

/** How often a model whose predecessor may have been paid is asked again for the same item. */
const mostTries = 2;
const firstTryMs = 2_000;

/**
 * Asks an item's models in turn until one has made it, or none may. Where a provider may have
 * done the work, and so may have been paid, the row keeps that its turn is over: whatever happens
 * to this process, nobody asks that provider for this item again. A refusal of the input, by
 * moderation above all, is everybody's.
 */
export function createRouter(deps: RouteDeps): RouteModels {
  return async (work) => {
    const mark = readMark(work.context.requestId, work.chain);
    const isKept = mark.index > (work.chain[0]?.index ?? 0);
    return await walkChain({ ...deps, work, mark, isKept });
  };
}

type Walk<Made> = RouteDeps & {
  work: RouteWork<Made>;
  mark: Mark;
  /** The row holds a place in the chain that must not be lost. */
  isKept: boolean;
};

async function walkChain<Made>(walk: Walk<Made>): Promise<Made | Unfinished> {
  const { work, meter, log } = walk;
  const links = work.chain.filter(({ index }) => index >= walk.mark.index);
  let again: { failure: Failure; link: Link } | undefined;
  let last: Failure = failures.absent();
  let place = links[0];
  for (const [at, link] of links.entries()) {
    const step = await askLink(walk, link);
    if ("made" in step) return step.made;
    const { outcome, wasPaid, wasSaved } = step;
    if (outcome.status === "unknown") return outcome;
    if (!outcome.failover) return await endWith(walk, { failure: outcome, link });
    last = outcome;
    if (outcome.retryable) again ??= { failure: outcome, link };
    const next = links[at + 1];
    if (wasPaid) {
      // Whoever goes on from here must not come back to this one.
      again = undefined;
      if (next) await keep(walk, next, { index: next.index, tries: 0, id: null });
      place = next;
    }
    if (!next) break;
    if (place && wasSaved && !wasPaid) await forgetId(walk, place);
    meter.fellBack(link.provider, outcome.code);
    const { itemId: item } = work.task;
    log.info({ item, from: link.provider, to: next.provider, code: outcome.code }, "fell back");
  }
  return again ? await endWith(walk, again) : { ...last, retryable: false };
}

/** Ends the walk with a failure; one that may pass keeps the place that the item has reached. */
async function endWith<Made>(
  walk: Walk<Made>,
  { failure, link }: { failure: Failure; link: Link },
): Promise<Unfinished> {
  if (!failure.retryable || !walk.isKept) return failure;
  const tries = triesOf(walk, link) + 1;
  if (tries > mostTries) return { ...failure, retryable: false };
  await keep(walk, link, { index: link.index, tries, id: null });
  return { status: "unknown", askAgainInMs: failure.retryInMs ?? firstTryMs * 4 ** (tries - 1) };
}

type Step<Made> =
  | { made: Made }
  /** `wasSaved`: the row holds an id of work that was certainly not done. */
  | { outcome: Unfinished; wasPaid: boolean; wasSaved?: boolean };

async function askLink<Made>(walk: Walk<Made>, link: Link): Promise<Step<Made>> {
  const { work, mark } = walk;
  const known = link.index === mark.index ? mark.id : null;
  let id = known;
  if (id === null && work.isOverdue) return { outcome: failures.overdue(), wasPaid: false };
  const tries = triesOf(walk, link);
  const maySend = known === null || known === sentMark;
  const context: Context = {
    ...work.context,
    requestId: id,
    async saveRequestId(given) {
      id = given;
      await keep(walk, link, { index: link.index, tries, id });
    },
  };
  const { outcome, wasAsked } =
    maySend && isPhotoMissing(work.task)
      ? { outcome: failures.noPhoto(), wasAsked: false }
      : await askProvider(walk, link, context);
  if (outcome.status === "unknown") return { outcome, wasPaid: false };
  if (outcome.status === "failed") {
    const isInDoubt = known === sentMark || (known !== null && !wasAsked);
    if (isInDoubt && outcome.retryable) {
      return await keepDoubt(walk, link, { failure: outcome, id: known, tries });
    }
    const wasPaid = wasAsked && !outcome.retryable && id !== null;
    return { outcome, wasPaid, wasSaved: outcome.retryable && id !== null };
  }
  try {
    return { made: await work.accept(outcome, link) };
  } catch (error) {
    if (!(error instanceof BadOutput)) throw error;
    walk.log.warn(
      { item: work.task.itemId, err: safeError(error) },
      "a model's answer was not usable",
    );
    return await refuseOutput(walk, link, { id, tries });
  }
}

type Doubt = { failure: Failure; id: string; tries: number };

/**
 * What is refused now, or can't be asked, may have been done before: a failure that is tried again
 * would forget that and pay for it twice. In the end it is left to the next model, if one may.
 */
async function keepDoubt<Made>(
  walk: Walk<Made>,
  link: Link,
  { failure, id, tries }: Doubt,
): Promise<Step<Made>> {
  if (tries >= mostTries) return { outcome: { ...failure, retryable: false }, wasPaid: true };
  await keep(walk, link, { index: link.index, tries: tries + 1, id });
  const askAgainInMs = failure.retryInMs ?? firstTryMs * 4 ** tries;
  return { outcome: { status: "unknown", askAgainInMs }, wasPaid: false };
}

/**
 * What was made is not usable. Work with an id is fetched again, which is free; work without one
 * was paid for, and is not asked of the same provider again.
 */
async function refuseOutput<Made>(
  walk: Walk<Made>,
  link: Link,
  { id, tries }: { id: string | null; tries: number },
): Promise<Step<Made>> {
  if (id === null) return { outcome: failures.unusable(true), wasPaid: false };
  if (id !== sentMark && tries < mostTries) {
    await keep(walk, link, { index: link.index, tries: tries + 1, id });
    const askAgainInMs = firstTryMs / 4;
    return { outcome: { status: "unknown", askAgainInMs }, wasPaid: false };
  }
  return { outcome: failures.unusable(false), wasPaid: true };
}

async function askProvider<Made>(
  { generators, gates, meter, work, log }: Walk<Made>,
  { provider, params }: Link,
  context: Context,
): Promise<Asked> {
  const generator = generators[provider];
  if (!generator) {
    log.error({ provider, style: work.task.style.id }, "a style's provider is not set up here");
    return { outcome: failures.absent(), wasAsked: false };
  }
  const task: Task = { ...work.task, style: { ...work.task.style, generator: provider, params } };
  const run = async () => {
    const startedAt = performance.now();
    let isError = true;
    try {
      const outcome = await generator.run(task, context);
      isError = false;
      return outcome;
    } finally {
      meter.generated(provider, { ms: performance.now() - startedAt, isError });
    }
  };
  const gate = gates.get(provider);
  if (!gate) return { outcome: await run(), wasAsked: true };
  const isKnown = context.requestId !== null;
  return await gate.ask({ task, isKnown, signal: context.signal, run });
}

/** It could not be loaded, though it was once: nothing can be made of it now. */
const isPhotoMissing = ({ input }: Task) => input.type === "photo" && input.photo.length === 0;

const triesOf = ({ mark }: { mark: Mark }, { index }: Link) =>
  index === mark.index ? mark.tries : 0;

async function keep<Made>(walk: Walk<Made>, link: Link, mark: Mark): Promise<void> {
  await walk.work.context.saveRequestId(writeMark(link, mark));
  // Somebody before this place may have been paid: it is not to be lost.
  if (mark.id === null) walk.isKept = true;
}

/** Nobody has the work: who comes next begins where this walk may. */
async function forgetId<Made>(walk: Walk<Made>, place: Link): Promise<void> {
  const mark = { index: place.index, tries: triesOf(walk, place), id: null };
  await walk.work.context.saveRequestId(writeMark(place, mark));
}

const failures = {
  absent: (): Failure => ({
    status: "failed",
    code: "provider_unavailable",
    message: "This style's model is not set up here.",
    // Another worker may have it, or this one when it was started again.
    retryable: true,
    failover: true,
  }),
  noPhoto: (): Failure => ({
    status: "failed",
    code: "photo_unreachable",
    message: "The photo could not be loaded again.",
    retryable: true,
  }),
  overdue: (): Failure => ({
    status: "failed",
    code: "deadline_exceeded",
    message: "It did not finish in time.",
    retryable: false,
  }),
  unusable: (retryable: boolean): Failure => ({
    status: "failed",
    code: "bad_output",
    message: "The model's answer was not usable.",
    retryable,
    failover: true,
  }),
};
