import { describeLives } from "../test/purchase-lives.ts";

describeLives(Array.from({ length: 90 }, (_, n) => n + 11));
