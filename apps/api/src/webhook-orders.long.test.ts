import { describeLives } from "../test/purchase-lives.ts";

describeLives(Array.from({ length: 70 }, (_, n) => n + 31));
