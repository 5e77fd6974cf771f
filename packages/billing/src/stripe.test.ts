import { conform } from "../test/conformance.ts";
import { startStripeRig } from "../test/stripe-rig.ts";

conform("stripe", startStripeRig);
