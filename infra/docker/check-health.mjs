// For HEALTHCHECK: `node check-health.mjs <port> [path]` ends with 0 when that path of this machine
// answers well. Plain JavaScript without imports, since it starts every few seconds.
const [port, path = "/livez"] = process.argv.slice(2);
const LIMIT_MS = 4000;
const signal = AbortSignal.timeout(LIMIT_MS);
const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal }).catch((error) => error);
if (!answer.ok) {
  console.error(answer.status ?? answer.cause?.code ?? answer.message);
  process.exitCode = 1;
}
