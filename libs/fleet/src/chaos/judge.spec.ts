import { describe, expect, it } from '@jest/globals';
import type { BoxFacts, HubFacts, SaleFact } from './facts.js';
import { judge, type Judged } from './judge.js';
import type { Told } from './told.js';

const INCARNATION = '01900000-0000-7000-8000-000000000001';

const sale = (no: number, changes: Partial<SaleFact> = {}): SaleFact => ({
  id: `01900000-0000-7000-8000-00000000010${no}`,
  receiptNumber: `B001-T1-1-00000${no}`,
  businessDate: '2026-11-20',
  totalMinor: 310,
  ...changes,
});
const told = (no: number): Told => {
  const { id } = sale(no);
  const lines = [{ lineNo: 1, product: 'MILK', quantity: 1 }];
  const request = { id, lines, tenders: [], expectedTotalMinor: 310 };
  return { branch: 'B001', till: 'T1', request, answer: { ...sale(no) } };
};
const hub = (): HubFacts => ({
  sales: [sale(1), sale(2)],
  aliases: [],
  doubled: [],
  stock: new Map([['MILK', -2000]]),
  paidMinor: 620,
  rollup: { baskets: 2, totalMinor: 620 },
  heads: [{ incarnation: INCARNATION, seq: 4, hash: 'aa' }],
  quarantined: [],
});
const box = (): BoxFacts => ({
  folder: 'B001',
  sales: [sale(1), sale(2)],
  stock: new Map([['MILK', -2000]]),
  paidMinor: 620,
  heads: [],
  head: { incarnation: INCARNATION, seq: 4, hash: 'aa' },
});
const whole = (): Judged => ({ told: [told(1), told(2)], hub: hub(), boxes: [box()], idsOfOthers: new Set() });

describe('the judge of a branch', () => {
  it('has nothing to say of one that is whole', () => expect(judge(whole())).toEqual([]));

  it('takes a number that is known in another history for told', () => {
    const branch = whole();
    branch.hub.sales[1] = sale(2, { receiptNumber: 'B001-T1-1-000003' });
    branch.boxes[0]?.sales.splice(1, 1, sale(2, { receiptNumber: 'B001-T1-1-000003' }));
    branch.hub.aliases.push({ saleId: sale(2).id, receiptNumber: 'B001-T1-1-000002' });
    expect(judge(branch)).toEqual([]);
  });

  it('lets two sales bear one number when all but one are marked', () => {
    const branch = whole();
    branch.told = [told(1), { ...told(2), answer: { ...sale(2, { receiptNumber: 'B001-T1-1-000001' }) } }];
    const second = sale(2, { receiptNumber: 'B001-T1-1-000001' });
    branch.hub.sales[1] = second;
    branch.boxes[0]?.sales.splice(1, 1, second);
    expect(judge(branch)).toEqual([expect.stringMatching(/^E: receipt B001-T1-1-000001 is on 2 sales, unmarked/)]);
    branch.hub.doubled.push(second.id);
    expect(judge(branch)).toEqual([]);
  });

  it.each<[string, RegExp, (branch: Judged) => void]>([
    ['a sale the hub lacks', /^A: the hub lacks sale/, ({ hub: at }) => at.sales.pop()],
    ['a sale the box lacks', /^A: box B001 lacks sale/, ({ boxes }) => boxes[0]?.sales.pop()],
    [
      'another total',
      /^A: the hub has sale .* otherwise/,
      ({ hub: at }) => at.sales.splice(1, 1, sale(2, { totalMinor: 311 })),
    ],
    [
      'another number that nobody knows',
      /^A: box B001 has sale .* otherwise/,
      ({ boxes }) => boxes[0]?.sales.splice(1, 1, sale(2, { receiptNumber: 'B001-T1-1-000007' })),
    ],
    ['a sale nobody made', /^B: the hub has sale .* nobody made/, ({ hub: at }) => at.sales.push(sale(3))],
    ['a sale twice', /^B: box B001 has 1 sales twice/, ({ boxes }) => boxes[0]?.sales.push(sale(2))],
    ['money that is not there', /^C: paid at the hub is 619/, ({ hub: at }) => (at.paidMinor = 619)],
    ['money that is not in the box', /^C: paid in box B001/, ({ boxes: [at] }) => at && (at.paidMinor = 0)],
    ['a sum that is not its rows', /^C: the total that reports read/, ({ hub: at }) => (at.rollup.totalMinor = 1)],
    ['stock that is not there', /^C: stock of MILK in box/, ({ boxes }) => boxes[0]?.stock.delete('MILK')],
    ['stock of what nobody sold', /^C: stock of EGGS at the hub/, ({ hub: at }) => at.stock.set('EGGS', 1000)],
    [
      'two heads',
      /^D: box B001 stands at #4 aa, the hub at #4 bb/,
      ({ hub: at }) => at.heads.forEach((h) => (h.hash = 'bb')),
    ],
    ['a history that the hub has not', /^D: the hub has nothing of/, ({ hub: at }) => at.heads.pop()],
    [
      'a line set aside',
      /^D: line 3, sale, is set aside: sums-differ/,
      ({ hub: at }) => at.quarantined.push({ seq: 3, kind: 'sale', code: 'sums-differ' }),
    ],
    ['a sale of others', /^F: the hub has sale/, (branch) => (branch.idsOfOthers = new Set([sale(1).id]))],
  ])('says %s', (_what, complaint, plant) => {
    const branch = whole();
    plant(branch);
    expect(judge(branch)).toContainEqual(expect.stringMatching(complaint));
  });

  it('says a hole in the receipts of a till', () => {
    const branch = whole();
    branch.hub.sales[1] = sale(2, { receiptNumber: 'B001-T1-1-000004' });
    expect(judge(branch)).toContainEqual('E: receipts of till T1 epoch 1: 2 numbers up to 4');
  });
});
