import { useDatabase } from "../../db/test/use-database.ts";
import { describeOrders, packs, permute, plansAndAnswers } from "../test/order-cases.ts";

describeOrders(useDatabase(), [...plansAndAnswers, ...packs], permute(6));
