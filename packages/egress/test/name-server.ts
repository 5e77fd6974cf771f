import { createSocket } from "node:dgram";
import { once } from "node:events";

const typeA = 1;
const typeAaaa = 28;

export type NameServer = {
  /** For `createNameLookup`. */
  address: string;
  /** Every question, as `name A` or `name AAAA`. */
  questions: string[];
  close(): Promise<void>;
};

/**
 * A name server of our own (RFC 1035): `answer` gives the addresses that a question gets, and
 * undefined leaves it without an answer at all.
 */
export async function startNameServer(
  answer: (name: string, type: "A" | "AAAA") => string[] | undefined,
): Promise<NameServer> {
  const socket = createSocket("udp4");
  const questions: string[] = [];
  socket.on("message", (question, { port, address }) => {
    const { name, end } = readName(question, 12);
    const code = question.readUInt16BE(end);
    const type = code === typeAaaa ? "AAAA" : "A";
    questions.push(`${name} ${type}`);
    const addresses = code === typeA || code === typeAaaa ? answer(name, type) : [];
    if (addresses) socket.send(makeAnswer(question.subarray(0, end + 4), addresses), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 1 };
}

function makeAnswer(question: Buffer, addresses: string[]): Buffer {
  const head = Buffer.from(question);
  // An answer of the server itself, to a question that wanted recursion.
  head.writeUInt16BE(0x8580, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) => {
    const bytes = toBytes(address);
    const record = Buffer.alloc(12);
    // The name is that of the question; class IN; to be kept for no time.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(bytes.length === 4 ? typeA : typeAaaa, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([head, ...records]);
}

function toBytes(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [left = "", right = ""] = address.split("::");
  const parse = (part: string) => (part === "" ? [] : part.split(":"));
  const [head, tail] = [parse(left), parse(right)];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  const groups = [...head, ...zeros, ...tail].map((group) => group.padStart(4, "0"));
  return Buffer.from(groups.join(""), "hex");
}
