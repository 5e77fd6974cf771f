// Stands where the worker stands: uses the database until the end, and says when it stops.
import postgres from "postgres";

const sql = postgres(process.env.DATABASE_URL ?? "", { max: 1, onnotice: () => {} });
const [row] = await sql`SELECT current_user AS name`;
const timer = setInterval(() => {}, 60_000);
process.once("SIGTERM", () => {
  clearInterval(timer);
  void sql`SELECT 1`
    .then(() => console.log("stopping, the database still answers"))
    .then(() => sql.end());
});
console.log(JSON.stringify({ level: 30, msg: `pid ${process.pid} as ${row?.name}` }));
