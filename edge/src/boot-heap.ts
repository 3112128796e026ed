import { setFlagsFromString } from 'node:v8';

/**
 * Loading the program makes garbage in plenty and little that stays. Let grow, V8's young generation takes 32 MB for it and
 * keeps them: an idle edge held 158 MB, 131 with this. So it stays small until the edge trades, then grows with the work;
 * held small for good it cost a sale 6 % more processor time. To be imported before anything else.
 */
export function holdHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

holdHeapSmall();

/**
 * The old generation is collected when it has grown by a quarter: V8's own choice let what the writer's thread is asked and
 * answers, which outlives the nursery, wait: some 200 MB after 10,000 sales, 170 with this, for the same processor time.
 */
setFlagsFromString('--heap-growing-percent=25');

/**
 * Whoever starts the edge bounds the young generation (`--max-semi-space-size=4`, in deploy/ and everywhere else): with 8 an
 * edge held 8 MB more after 10,000 sales, and was no faster. It can be said on the command line alone, and this heap has
 * heard it; left standing, V8 would put it in place of the smaller limits that our threads are given.
 */
setFlagsFromString('--max-semi-space-size=0');

export function letHeapGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
