import { describe, expect, it } from '@jest/globals';
import { PasswordHasher } from './password.js';

describe('a password', () => {
  it('is kept as argon2id of 19 MiB and two passes, and matches itself only', async () => {
    const hasher = new PasswordHasher();
    const stored = await hasher.hash('correct horse');
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await hasher.verify(stored, 'correct horse')).toBe(true);
    expect(await hasher.verify(stored, 'correct horse ')).toBe(false);
    expect(await hasher.hash('correct horse')).not.toBe(stored);
  });

  it('longer than 72 bytes counts to its end', async () => {
    const hasher = new PasswordHasher();
    const stored = await hasher.hash(`${'a'.repeat(80)}1`);
    expect(await hasher.verify(stored, `${'a'.repeat(80)}2`)).toBe(false);
  });

  it('is the same whichever way its accents were typed', async () => {
    const hasher = new PasswordHasher();
    expect(await hasher.verify(await hasher.hash('caf\u00e9'), 'cafe\u0301')).toBe(true);
  });

  it('of nobody matches nothing, not even the decoy, and takes as long', async () => {
    const hasher = new PasswordHasher();
    const stored = await hasher.hash('x');
    await hasher.verify(undefined, 'x');
    expect(await hasher.verify(undefined, 'nobody knows this')).toBe(false);
    // In turns, and the fastest of each: what else runs on this machine slows both alike.
    let known = Infinity;
    let unknown = Infinity;
    for (let turn = 0; turn < 8; turn++) {
      known = Math.min(known, await tookMs(() => hasher.verify(stored, 'wrong')));
      unknown = Math.min(unknown, await tookMs(() => hasher.verify(undefined, 'wrong')));
    }
    // Without the decoy it is a thousandth; a fifth leaves room for a busy machine.
    expect(unknown).toBeGreaterThan(known / 5);
  });
});

describe('a flood of sign-ins', () => {
  it('is turned away beyond its queue, and what waited is answered', async () => {
    const hasher = new PasswordHasher();
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => hasher.hash('x')));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(40 - 2 - 32);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'busy', status: 503 });
    expect(await hasher.hash('x')).toMatch(/^\$argon2id/);
  });
});

async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
