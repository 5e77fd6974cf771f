import { conform } from "../test/conformance.ts";
import { startLemonRig } from "../test/lemon-squeezy-rig.ts";

conform("lemon-squeezy", startLemonRig);
