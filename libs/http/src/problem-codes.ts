/**
 * Every outcome a caller may meet, by its registered code. The code is contract: programs branch on it, so a code is
 * added freely and never renamed. `title` is one line for the person at the screen.
 */
export const PROBLEMS = {
  // The request itself
  'bad-request': { status: 400, title: 'The request cannot be understood.' },
  'unknown-field': { status: 400, title: 'The request has a field that is not known here.' },
  'invalid-field': { status: 400, title: 'A field has a value that is not allowed.' },
  'malformed-json': { status: 400, title: 'The body is not well-formed JSON.' },
  'body-too-large': { status: 413, title: 'The body is larger than allowed.' },
  'unsupported-media-type': { status: 415, title: 'The content type of the body is not accepted here.' },
  'not-found': { status: 404, title: 'There is no such thing here.' },
  'method-not-allowed': { status: 405, title: 'This method is not allowed here.' },
  'already-exists': { status: 409, title: 'It exists already.' },
  'in-use': { status: 409, title: 'It is in use.' },
  'already-settled': { status: 409, title: 'Somebody settled this before.' },
  'same-id-other-content': { status: 409, title: 'This id was used before with other content.' },

  // Who is asking
  unauthenticated: { status: 401, title: 'Sign in first.' },
  forbidden: { status: 403, title: 'This is not allowed for you.' },
  'not-yours': { status: 403, title: 'This belongs to somebody else.' },
  'foreign-origin': { status: 403, title: 'This request came from a foreign page.' },
  'code-invalid': { status: 401, title: 'The enrolment code is unknown, used or expired.' },
  'link-invalid': { status: 401, title: 'The sign-in link is unknown, used or expired.' },
  'signed-in-otherwise': { status: 409, title: 'This browser is signed in as somebody else.' },
  'wrong-pin': { status: 401, title: 'Operator or PIN is wrong.' },
  'wrong-credentials': { status: 401, title: 'E-mail, password or code is wrong.' },
  'refresh-reused': { status: 401, title: 'This sign-in was ended because its refresh token was used twice.' },
  'locked-out': { status: 429, title: 'Too many wrong attempts. Wait, or ask a manager.' },
  'two-tokens-alive': { status: 409, title: 'Two tokens are alive already. Revoke one first.' },
  'box-revoked': { status: 403, title: 'This box has been revoked.' },

  // The machine
  'too-many-requests': { status: 429, title: 'Too many requests. Try again later.' },
  busy: { status: 503, title: 'Busy at the moment. Try again shortly.' },
  'person-keys-held': { status: 503, title: 'Keys of persons wait for the lines that tell of them.' },
  'took-too-long': { status: 503, title: 'This took too long and was stopped. Ask for less.' },
  'shutting-down': { status: 503, title: 'Shutting down. Try again shortly.' },
  'storage-full': { status: 503, title: 'The disk is full; nothing was recorded.' },
  'storage-failed': {
    status: 503,
    title: 'The disk failed; whether this was recorded is known when it is sent again.',
  },
  internal: { status: 500, title: 'Something went wrong here.' },

  // A chain on trial
  'no-trial': { status: 404, title: 'This head office runs no trial.' },
  'trial-away': { status: 503, title: 'The program that runs the trial does not answer.' },

  // Selling and cash
  'shift-open': { status: 409, title: 'A shift is open.' },
  'shift-closed': { status: 409, title: 'The shift is closed.' },
  'shift-not-found': { status: 409, title: 'There is no open shift for this till.' },
  'drawer-in-use': { status: 409, title: 'The drawer is in use by another shift.' },
  'day-sealed': { status: 409, title: 'The business date is sealed.' },
  'unknown-product': { status: 422, title: 'The product is not known in this branch.' },
  'unknown-barcode': { status: 422, title: 'The barcode is not known in this branch.' },
  'no-price': { status: 422, title: 'The product has no price at this time.' },
  'not-tradable': { status: 422, title: 'The product may not be sold at this time.' },
  'price-differs': { status: 422, title: 'The price sent differs from the book.' },
  'quantity-decimals': { status: 422, title: 'This product is sold in whole units only.' },
  'line-below-zero': { status: 422, title: 'The reductions of a line exceed its amount.' },
  'total-differs': { status: 422, title: 'The expected total differs from the sum of the lines.' },
  'tenders-unbalanced': { status: 422, title: 'What is paid does not match what is due.' },
  'invalid-sale': { status: 422, title: 'The sale does not hold together.' },

  // Customers
  'customer-erased': { status: 410, title: 'This customer was erased.' },

  // Replication
  'line-too-large': { status: 413, title: 'A line is larger than allowed.' },
  'malformed-push': { status: 400, title: 'The push cannot be understood.' },
  'seq-gap': { status: 409, title: 'Lines are missing between what is known and what was sent.' },
  fork: { status: 409, title: 'The history sent differs from the history known.' },
  'feed-fork': { status: 409, title: 'The feed known to the box differs from this one.' },
  'feed-gone': { status: 410, title: 'The feed no longer reaches back that far; take a snapshot.' },
  'no-snapshot': { status: 404, title: 'There is no snapshot of this scope: its feed is shorter than one.' },
  'range-not-satisfiable': { status: 416, title: 'The file does not reach that far.' },
  protocol: { status: 426, title: 'No version of the protocol is spoken at both ends.' },
  'unknown-incarnation': { status: 404, title: 'This incarnation is not known.' },
  'verification-running': { status: 409, title: 'This branch is being verified at this moment.' },
  'verification-too-long': {
    status: 503,
    title: 'The branch could not be verified in the time that is allowed for it.',
  },
  'archive-damaged': { status: 409, title: 'The archive does not hold, so nothing is made anew from it.' },
  'strategy-not-allowed': { status: 422, title: 'This cannot be settled that way.' },
  'not-decidable': { status: 409, title: 'This cannot be decided as things stand.' },
  'malformed-bundle': { status: 400, title: 'This is no bundle that can be taken, or not all of it.' },
  'bundle-forged': { status: 400, title: 'The bundle was altered or cut, or who it says did not sign it.' },
  'bundle-sealed-to-another': { status: 400, title: 'The bundle is sealed to another key than ours.' },
  'bundle-not-ours': { status: 403, title: 'The bundle is not of this chain, store or box.' },
  'no-hub-keys': {
    status: 409,
    title: 'This box was enrolled before bundles were: it has no keys of head office. Enrol it anew.',
  },
  'kind-not-supported': { status: 422, title: 'This kind of record is not supported here.' },

  // Reports and imports
  'dimensions-not-combinable': { status: 400, title: 'These dimensions cannot be combined.' },
  'mixed-currencies': { status: 400, title: 'The selection mixes currencies.' },
  'bad-rows': { status: 400, title: 'Some rows cannot be taken.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}
