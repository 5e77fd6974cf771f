import { about, type FaultStage, json, type Queued, type Shelf } from "./model-queues.ts";
import type { Asked, Route } from "./model-server.ts";
import type { Work } from "./play-order.ts";

const policy = { loc: ["body", "prompt"], msg: "flagged", type: "content_policy_violation" };
const size = { loc: ["body", "image_url"], msg: "too small", type: "image_too_small" };

/** Not of a model: a server that stands before it. */
const refusals = {
  error: (status: number) => json({ detail: "no" }, status),
  errorInside: () => json({ detail: "it broke", error_type: "internal_error" }),
  refused: () => json({ detail: [policy] }, 422),
  filtered: () => json({ detail: [policy] }, 422),
};

/** fal's queue at /fal: the model is fal-ai/<stage of its faults>/draw. */
export function falRoute(shelf: Shelf): Route {
  return (asked, { method }) => {
    const [place = "", query] = asked.path.split("?");
    const [, stage = "", id, rest] =
      /^\/fal\/fal-ai\/(\w+)\/(?:draw|requests\/([\w-]+)(?:\/(\w+))?)$/.exec(place) ?? [];
    if (method === "POST" && stage) return submit(shelf, asked, stage as FaultStage);
    const work = shelf.find(id ?? "");
    if (!work) return undefined;
    if (rest === "cancel") return cancel(work);
    return rest === "status" ? tell(shelf, work, query === "logs=1") : show(work, asked);
  };
}

function submit(shelf: Shelf, asked: Asked, stage: FaultStage): Work {
  return {
    ...refusals,
    key: asked.key,
    isSpared: stage !== "submit",
    good: () => json({ request_id: shelf.submit(asked, stage).id, status: "IN_QUEUE" }),
    broken: () => json({ request_id: 7 }),
  };
}

/** As tqdm writes it, a line each time it has something new. */
const log = ["Loading model", "20%|##        | 1/5", "40%|####      | 2/5"].map((message) => ({
  ...{ message, level: "INFO", source: "USER", timestamp: "2026-01-01T00:00:00.000Z" },
}));

function tell(shelf: Shelf, work: Queued, hasLogs: boolean): Work {
  const status = () => {
    if (shelf.isDone(work)) return json({ status: "COMPLETED" });
    if (work.asked <= 1) return json({ status: "IN_QUEUE", queue_position: 3 }, 202);
    return json({ status: "IN_PROGRESS", logs: hasLogs ? log : null }, 202);
  };
  const broken = () => json({ status: "ASLEEP" });
  return { ...refusals, ...about(work, "status"), good: status, broken, errorInside: broken };
}

function show(work: Queued, { url }: Asked): Work {
  const images = [{ url: `${url}/drawn/${work.id}`, content_type: "image/png" }];
  return {
    ...refusals,
    ...about(work, "result"),
    good: () => json({ images, seed: 1, has_nsfw_concepts: [false] }),
    errorInside: () => json({ detail: [size] }, 422),
    filtered: () => json({ images, has_nsfw_concepts: [true] }),
    broken: () => json({ detail: "Request timed out", error_type: "request_timeout" }, 504),
  };
}

function cancel(work: Queued): Work {
  const good = () => {
    work.isCanceled = true;
    return json({ status: "CANCELLATION_REQUESTED" }, 202);
  };
  return { ...refusals, ...about(work, "submit"), isSpared: true, good, broken: good };
}
