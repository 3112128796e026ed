import { expect, it } from '@jest/globals';
import { figureOfMetrics } from './edge-figure.js';

it('finds one figure of a scrape, and only the one that bears the name', () => {
  const text = '# HELP a b\nprocess_cpu_seconds_total_more 1\nprocess_cpu_seconds_total 12.5\n';
  expect(figureOfMetrics(text, 'process_cpu_seconds_total')).toBe(12.5);
  expect(() => figureOfMetrics(text, 'process_cpu')).toThrow('tells no process_cpu');
});
