// Starts a cluster in the given folder, prints its pid, and stays until it is killed.
import { startCluster } from "../cluster.ts";

const cluster = await startCluster({ dir: process.argv[2] ?? "", fsync: false });
console.log(JSON.stringify({ pid: cluster.pid, port: cluster.port }));
setInterval(() => {}, 60_000);
