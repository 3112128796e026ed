/** One figure without labels from what `/metrics` answers. @throws when it is not there */
export function figureOfMetrics(text: string, name: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  const value = Number(line?.split(' ')[1] ?? Number.NaN);
  if (Number.isNaN(value)) throw new Error(`/metrics tells no ${name}`);
  return value;
}
