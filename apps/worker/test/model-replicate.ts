import { about, type FaultStage, json, type Queued, type Shelf } from "./model-queues.ts";
import type { Asked, Route } from "./model-server.ts";
import type { Work } from "./play-order.ts";

const refusals = {
  error: (status: number) => json({ title: "no", detail: "no", status }, status),
  errorInside: () => json({ title: "it broke", detail: "it broke", status: 500 }),
  refused: () => json({ title: "no", detail: "NSFW content detected", status: 422 }, 422),
  filtered: () => json({ title: "no", detail: "NSFW content detected", status: 422 }, 422),
};
const metrics = {
  normal: { predict_time: 1.5, input_token_count: 12, output_token_count: 7 },
  absurd: { predict_time: 1e300, input_token_count: 1e300, output_token_count: "many" },
  negative: { predict_time: -5, input_token_count: -5, output_token_count: 7.5 },
};

/** Replicate at /replicate/v1: models are test/<stage of their faults>, texts have a "-text". */
export function replicateRoute(shelf: Shelf): Route {
  return (asked, { method }) => {
    const { path } = asked;
    const [, stage] =
      /^\/replicate\/v1\/models\/test\/(\w+)(?:-text)?\/predictions$/.exec(path) ?? [];
    if (stage) return submit(shelf, asked, stage as FaultStage);
    const [, id = "", rest] =
      /^\/replicate\/v1\/predictions\/([\w-]+)(\/cancel)?$/.exec(path) ?? [];
    const work = shelf.find(id);
    if (!work) return undefined;
    return method === "POST" && rest ? cancel(work) : show(shelf, work, asked);
  };
}

function submit(shelf: Shelf, asked: Asked, stage: FaultStage): Work {
  const good = () => {
    const work = shelf.submit(asked, stage);
    const isText = asked.path.includes("-text/");
    if (isText && !work.text.endsWith(textMark)) work.text += textMark;
    return json({ id: work.id, status: "starting", error: null, metrics: {} }, 201);
  };
  return {
    ...refusals,
    ...{ key: asked.key, isSpared: stage !== "submit", good },
    broken: () => json({ id: 7, status: "starting" }, 201),
  };
}

const textMark = "\n(text)";

function show(shelf: Shelf, work: Queued, { url }: Asked): Work {
  const isText = work.text.endsWith(textMark);
  const tell = (status: string, more: object) => json({ id: work.id, status, ...more });
  const output = isText ? ["A sturdy ", "pot."] : [`${url}/drawn/${work.id}`];
  const broken = isText ? [" ", "\n"] : ["data:image/png;base64,bm8gcGljdHVyZQ=="];
  const fail = (error: string) => tell("failed", { error, metrics: metrics.normal });
  return {
    ...refusals,
    ...about(work, "status"),
    good(usage) {
      if (shelf.isDone(work)) return tell("succeeded", { output, metrics: metrics[usage] });
      const logs = " 20%|## | 1/5 [00:01<00:04]\n 40%|#### | 2/5 [00:02<00:03]\n";
      return tell("processing", { output: isText ? output.slice(0, 1) : null, logs });
    },
    errorInside: () => fail("CUDA out of memory"),
    refused: () => fail("NSFW content detected. Try another prompt."),
    filtered: () => fail("The output was flagged as sensitive. (E005)"),
    broken: () => tell("succeeded", { output: broken, metrics: metrics.normal }),
  };
}

function cancel(work: Queued): Work {
  const good = () => {
    work.isCanceled = true;
    return json({ id: work.id, status: "canceled" });
  };
  return { ...refusals, ...about(work, "submit"), isSpared: true, good, broken: good };
}
