/**
 * Input that the rules refuse: an expected outcome, told to the caller under a stable kebab-case `code`. The door turns
 * it into a problem; anything else that is thrown here is a bug.
 */
export class DomainError extends Error {
  override readonly name = 'DomainError';

  constructor(
    readonly code: string,
    /** One line for the operator. */
    readonly detail: string,
  ) {
    super(`${code}: ${detail}`);
  }
}
