import { useDatabase } from "../../db/test/use-database.ts";
import { describeOrders, packs, permute } from "../test/order-cases.ts";

describeOrders(useDatabase(), packs, permute(6));
