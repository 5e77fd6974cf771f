import { createLocalGenerator } from "../src/generators/local.ts";
import { makeContext, makePhoto, makeTask } from "./generator-task.ts";

/** One task in a process of its own, since the fault to play may end the process. */
const simulate = process.argv[2];
const input = { type: "photo", photo: await makePhoto() } as const;
const task = makeTask({ look: "studio_noir", input, params: { simulate } });
const { status } = await createLocalGenerator({ simulate: true }).run(task, makeContext());
process.stdout.write(status);
