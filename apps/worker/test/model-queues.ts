import { randomUUID } from "node:crypto";
import type { Asked, Route } from "./model-server.ts";
import type { Reply, Work } from "./play-order.ts";

/** Which of an order's requests its fault hits; the model's name says it. */
export const stages = ["submit", "status", "result", "picture"] as const;
export type FaultStage = (typeof stages)[number];

export type Queued = {
  id: string;
  stage: FaultStage;
  /** What was submitted: whose order it is. */
  text: string;
  asked: number;
  isCanceled: boolean;
};

export type Queues = {
  routes: Route[];
  /** Work stays under way until it is released. */
  hold(): void;
  release(): void;
  works(): Queued[];
};

export type Shelf = {
  submit(asked: Asked, stage: FaultStage): Queued;
  find(id: string): Queued | undefined;
  /** Whether it is done by now, which takes two questions. */
  isDone(work: Queued): boolean;
};

export const json = (body: unknown, status = 200): Reply => ({
  status,
  body: JSON.stringify(body),
});

/** fal's and Replicate's APIs on one model server: they name the work and are asked about it. */
export function createQueues(routes: ((shelf: Shelf) => Route)[]): Queues {
  const works = new Map<string, Queued>();
  const byKey = new Map<string, Queued>();
  let isHeld = false;
  const shelf: Shelf = {
    find: (id) => works.get(id),
    submit({ text, key }, stage) {
      const known = key === null ? undefined : byKey.get(key);
      if (known) return known;
      const work = { id: randomUUID(), stage, text, asked: 0, isCanceled: false };
      works.set(work.id, work);
      if (key !== null) byKey.set(key, work);
      return work;
    },
    isDone(work) {
      work.asked += 1;
      return !isHeld && work.asked > 1;
    },
  };
  return {
    routes: [drawnRoute(shelf), ...routes.map((create) => create(shelf))],
    works: () => [...works.values()],
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
    },
  };
}

/** What a request about known work has in common, whatever API it is of. */
export function about(
  work: Queued,
  stage: FaultStage,
): Pick<Work, "key" | "text" | "isPaid"> & {
  isSpared: boolean;
} {
  return { key: null, text: work.text, isPaid: true, isSpared: work.stage !== stage };
}

/** Where results lie: /drawn/<id>. */
function drawnRoute(shelf: Shelf): Route {
  return ({ path, picture }) => {
    const work = shelf.find(/^\/drawn\/([\w-]+)$/.exec(path)?.[1] ?? "");
    if (!work) return undefined;
    const none = json({ message: "no picture here" });
    return {
      ...about(work, "picture"),
      good: () => ({ type: "image/png", body: picture }),
      error: (status) => ({ ...none, status }),
      errorInside: () => none,
      refused: () => none,
      filtered: () => none,
      broken: () => ({ type: "image/png", body: "no picture" }),
    };
  };
}
