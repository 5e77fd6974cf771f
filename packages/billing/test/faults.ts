/**
 * What goes wrong at a provider, once each: before the request is looked at, or after it was
 * carried out and its answer got lost.
 */
export type Fault =
  | "hang"
  | "reset"
  | "status_500"
  | "html"
  | "huge"
  | "status_429"
  | "status_401"
  | "hang_after"
  | "reset_after"
  | "status_500_after"
  | "html_after";

/** Faults waiting for the request that they are meant for. */
export type Faults = {
  /** The next request whose "METHOD /path" contains the text meets the fault. */
  add(match: string, fault: Fault): void;
  take(request: string): Fault | undefined;
  clear(): void;
};

export function makeFaults(): Faults {
  let waiting: { match: string; fault: Fault }[] = [];
  return {
    add: (match, fault) => {
      waiting.push({ match, fault });
    },
    take: (request) => {
      const index = waiting.findIndex(({ match }) => request.includes(match));
      return index < 0 ? undefined : waiting.splice(index, 1)[0]?.fault;
    },
    clear: () => {
      waiting = [];
    },
  };
}
