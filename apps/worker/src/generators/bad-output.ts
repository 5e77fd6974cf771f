/** An output that is not what it should be. Another request, or another model, may do better. */
export class BadOutput extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(`A generator's output is not usable: ${why}`, options);
    this.name = "BadOutput";
  }
}
