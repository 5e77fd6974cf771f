import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import sharp from "sharp";

/** How the provider treats one item; it comes with the submission, from the generation's params. */
export type Wishes = {
  /** Answers `running` to this many questions first. */
  polls?: number;
  /** Stays `running` until it is released. */
  hold?: boolean;
  /** Answers a repeated Idempotency-Key with the first request. */
  idempotent?: boolean;
  fault?: Fault;
  /** How many submissions or questions of the item the fault hits; 1 if left out. */
  times?: number;
};

export type Fault =
  | "submit-hang"
  | "submit-html"
  /** The work is accepted, the answer is a 500. */
  | "submit-500"
  | "poll-hang"
  | "poll-500"
  | "failed"
  | "failed-retryable"
  | "image-html"
  | "image-truncated"
  | "image-huge";

export type Submission = { item: string; request: string; key: string };

type Request = Submission & { wishes: Wishes; polls: number; state: "open" | "canceled" };

export type Provider = {
  url: string;
  /** The pieces of work that were accepted for an item, in order. */
  submissions(item: string): Submission[];
  /** How often each request was asked for. */
  polls(item: string): number;
  canceled(item: string): boolean;
  /** Lets held work end: of one item, or all there is and will be. */
  release(item?: string): void;
  close(): Promise<void>;
};

/** A model vendor's asynchronous API, with books and with bad days. */
export async function startProvider(): Promise<Provider> {
  const requests = new Map<string, Request>();
  const submissions: Submission[] = [];
  const released = new Set<string>();
  let allReleased = false;
  const hits = new Map<string, number>();
  const picture = await drawPicture();

  const isHit = (item: string, wishes: Wishes, ...faults: Fault[]) => {
    if (!wishes.fault || !faults.includes(wishes.fault)) return false;
    const count = (hits.get(item) ?? 0) + 1;
    hits.set(item, count);
    return count <= (wishes.times ?? 1);
  };

  const submit = async (incoming: IncomingMessage, answer: ServerResponse) => {
    const { item, wishes } = JSON.parse(await readText(incoming)) as {
      item: string;
      wishes: Wishes;
    };
    if (isHit(item, wishes, "submit-hang")) return;
    if (isHit(item, wishes, "submit-html")) return sendHtml(answer);
    const key = String(incoming.headers["idempotency-key"]);
    const known = wishes.idempotent && submissions.find((one) => one.key === key);
    const request = known ? known.request : randomUUID();
    if (!known) {
      submissions.push({ item, request, key });
      requests.set(request, { item, request, key, wishes, polls: 0, state: "open" });
    }
    if (isHit(item, wishes, "submit-500")) return send(answer, 500, { error: "later" });
    send(answer, 202, { id: request });
  };

  const poll = (request: Request, answer: ServerResponse) => {
    const { item, wishes } = request;
    request.polls += 1;
    if (isHit(item, wishes, "poll-hang")) return;
    if (isHit(item, wishes, "poll-500")) return send(answer, 500, {});
    if (request.state === "canceled") return send(answer, 200, { status: "canceled" });
    const isHeld = wishes.hold && !allReleased && !released.has(item);
    if (isHeld || request.polls <= (wishes.polls ?? 0)) {
      return send(answer, 200, { status: "running" });
    }
    if (isHit(item, wishes, "failed", "failed-retryable")) {
      const retryable = wishes.fault === "failed-retryable";
      return send(answer, 200, { status: "failed", error: { code: "refused", retryable } });
    }
    send(answer, 200, { status: "succeeded", image: `/images/${request.request}` });
  };

  const sendImage = ({ item, wishes }: Request, answer: ServerResponse) => {
    if (isHit(item, wishes, "image-html")) return sendHtml(answer);
    let body: Buffer = picture;
    if (isHit(item, wishes, "image-truncated")) body = picture.subarray(0, picture.length / 2);
    if (isHit(item, wishes, "image-huge")) body = claimPixels(picture, 20_000);
    answer.writeHead(200, { "content-type": "image/jpeg" }).end(body);
  };

  const server = createServer((incoming, answer) => {
    const [, noun = "", id = ""] = (incoming.url ?? "").split(/[/?]/);
    if (noun === "submit") return void submit(incoming, answer);
    if (noun === "photos") return sendPhoto(picture, id, answer);
    const request = requests.get(id);
    if (!request) return send(answer, 404, {});
    if (noun === "images") return sendImage(request, answer);
    if (incoming.method !== "DELETE") return poll(request, answer);
    request.state = "canceled";
    send(answer, 200, {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const ofItem = (item: string) => [...requests.values()].filter((one) => one.item === item);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    submissions: (item) => submissions.filter((one) => one.item === item),
    polls: (item) => ofItem(item).reduce((sum, one) => sum + one.polls, 0),
    canceled: (item) => ofItem(item).some(({ state }) => state === "canceled"),
    release(item) {
      if (item === undefined) allReleased = true;
      else released.add(item);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** What somebody's photo address may lead to: `good`, `cut`, `page`, or nothing. */
function sendPhoto(picture: Buffer, name: string, answer: ServerResponse): void {
  if (name === "page") {
    sendHtml(answer);
    return;
  }
  const body = { good: picture, cut: picture.subarray(0, picture.length / 2) }[name];
  answer.writeHead(body ? 200 : 404, { "content-type": "image/jpeg" }).end(body);
}

/** Noise, so that half of the file is not enough to decode. */
function drawPicture(): Promise<Buffer> {
  const [width, height] = [64, 64];
  const bytes = Array.from({ length: 384 }, (_, index) =>
    createHash("sha256").update(String(index)).digest(),
  );
  const raw = { width, height, channels: 3 as const };
  return sharp(Buffer.concat(bytes), { raw }).jpeg({ quality: 95 }).toBuffer();
}

/** The same file, whose header says that it has `side` x `side` pixels. */
function claimPixels(picture: Buffer, side: number): Buffer {
  const bomb = Buffer.from(picture);
  // SOF0: marker, length, precision, then height and width (ITU-T T.81, B.2.2).
  const frame = bomb.indexOf(Buffer.from([0xff, 0xc0]));
  bomb.writeUInt16BE(side, frame + 5);
  bomb.writeUInt16BE(side, frame + 7);
  return bomb;
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function send(answer: ServerResponse, status: number, body: object): void {
  answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function sendHtml(answer: ServerResponse): void {
  answer.writeHead(200, { "content-type": "text/html" }).end("<h1>Maintenance</h1>");
}
