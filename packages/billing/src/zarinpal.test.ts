import { conform } from "../test/conformance.ts";
import { startZarinpalRig } from "../test/zarinpal-rig.ts";

conform("zarinpal", startZarinpalRig);
