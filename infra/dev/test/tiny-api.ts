// Stands where the API stands: takes PORT, is ready, and says when it stops.
import { createServer } from "node:http";

const server = createServer((_request, response) => void response.end("ok"));
server.listen(Number(process.env.PORT), process.env.HOST);
process.once("SIGTERM", () => {
  console.log("stopping");
  server.close();
});
console.log(JSON.stringify({ level: 30, msg: `pid ${process.pid}` }));
