import { describeLives } from "../test/purchase-lives.ts";

// A hundred in the long form.
describeLives(Array.from({ length: 10 }, (_, n) => n + 1));
