/**
 * Why a message was not delivered. Its text is kept with the message, so it says what the operator
 * must know and repeats nothing that a server wrote about a person.
 */
export class DeliveryError extends Error {
  /** Whether another attempt would end the same. */
  readonly isFinal: boolean;

  constructor(message: string, options: ErrorOptions & { isFinal: boolean }) {
    super(message, options);
    this.name = "DeliveryError";
    this.isFinal = options.isFinal;
  }
}
