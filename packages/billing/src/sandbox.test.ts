import { conform } from "../test/conformance.ts";
import { startSandboxRig } from "../test/sandbox-rig.ts";

conform("sandbox", startSandboxRig);
