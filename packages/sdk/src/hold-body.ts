/**
 * The same answer, whose body calls `release` when it has been read, has failed or is not wanted
 * any more. Nothing is read before it is asked for.
 */
export function holdBody(response: Response, release: () => void): Response {
  if (!response.body) {
    release();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const part = await reader.read().catch((error) => {
          release();
          throw error;
        });
        if (!part.done) return controller.enqueue(part.value);
        release();
        controller.close();
      },
      async cancel(reason) {
        release();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}
