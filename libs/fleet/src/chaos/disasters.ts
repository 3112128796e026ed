import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Field } from './field.js';

/** Something that befalls the struck store's box, or head office, while tills trade. */
export interface Disaster {
  name: string;
  /** One line for people. */
  what: string;
  /** When it resolves, everything runs again, lines are whole and the tills have offered what they had to. */
  strike(field: Field): Promise<void>;
}

/** Customers at each till between two events. */
const CUSTOMERS_MAX = 4;

const someCustomers = (field: Field): number => 1 + field.draw(CUSTOMERS_MAX);

/** The folder whose box stands in the struck store now: one that was replaced has another. */
const placeOf = (field: Field): string => field.placeOf(field.struck.code);

async function sellABit(field: Field): Promise<void> {
  await Promise.all(field.stores.map((store) => store.sell(someCustomers(field))));
}

/** Half the time the line to head office is away while what follows happens. */
async function perhapsCutOff<T>(field: Field, work: () => Promise<T>): Promise<T> {
  const { hubLine } = field.boxIn(placeOf(field));
  if (field.draw(2) === 0) hubLine.cut();
  try {
    return await work();
  } finally {
    hubLine.restore();
  }
}

/** The box is killed, its files are copied, it goes on. @returns where the copy is */
async function copyBox(field: Field): Promise<string> {
  const folder = placeOf(field);
  await field.killBox(folder);
  const copy = field.copyOf(folder);
  await relaunch(field);
  return copy;
}

async function relaunch(field: Field): Promise<void> {
  const box = field.boxIn(placeOf(field));
  await box.launch();
  field.struck.moveTo(box);
}

/** The copy comes back into place of what the box has now. */
async function restoreBox(field: Field, copy: string, keepWitness: boolean): Promise<void> {
  const folder = placeOf(field);
  await field.killBox(folder);
  const witnessFile = join(field.folderOf(folder), 'witness');
  const witness = readFileSync(witnessFile);
  field.putBack(copy, folder);
  if (keepWitness) writeFileSync(witnessFile, witness);
  await relaunch(field);
}

export const DISASTERS: readonly Disaster[] = [
  {
    name: 'database-behind-witness',
    what: 'the database of a box comes back from an earlier copy, its witness does not',
    async strike(field) {
      const copy = await copyBox(field);
      await perhapsCutOff(field, () => sellABit(field));
      await restoreBox(field, copy, true);
      await field.struck.offerAgain();
      await sellABit(field);
    },
  },
  {
    name: 'witness-missing',
    what: 'the witness of a box is gone',
    async strike(field) {
      await perhapsCutOff(field, async () => {
        const folder = placeOf(field);
        await field.killBox(folder);
        field.remove(join(field.folderOf(folder), 'witness'));
        await relaunch(field);
        await sellABit(field);
      });
    },
  },
  {
    name: 'edge-restored',
    what: 'a box comes back whole from an earlier copy, and has sold nothing since',
    async strike(field) {
      const copy = await copyBox(field);
      await sellABit(field);
      await field.untilApplied();
      await restoreBox(field, copy, false);
      await field.untilQuiet();
    },
  },
  {
    name: 'edge-restored-and-sold',
    what: 'a box comes back whole from an earlier copy with its line down, and sells',
    async strike(field) {
      const copy = await copyBox(field);
      await perhapsCutOff(field, () => sellABit(field));
      if (field.draw(2) === 0) await field.untilApplied();
      const { hubLine } = field.boxIn(placeOf(field));
      hubLine.cut();
      await restoreBox(field, copy, false);
      // Tills that forget what they saw: the hardest case, for nothing warns the box.
      field.struck.remembers = false;
      await field.struck.sell(someCustomers(field));
      field.struck.remembers = true;
      hubLine.restore();
      await field.untilQuiet();
      await field.struck.offerAgain();
      await sellABit(field);
    },
  },
  {
    name: 'till-ahead',
    what: 'a box comes back whole from an earlier copy with its line down, and its tills have seen more',
    async strike(field) {
      const copy = await copyBox(field);
      await perhapsCutOff(field, () => sellABit(field));
      const { hubLine } = field.boxIn(placeOf(field));
      hubLine.cut();
      await restoreBox(field, copy, false);
      await sellABit(field);
      await field.struck.offerAgain();
      hubLine.restore();
      await sellABit(field);
    },
  },
  {
    name: 'box-copied',
    what: 'a second box runs on a copy of the first, and both sell',
    async strike(field) {
      const { struck } = field;
      const copy = await copyBox(field);
      const twin = field.newFolder(struck.code);
      field.putBack(copy, twin);
      const second = await field.openBox(twin, struck.code);
      if (field.draw(2) === 0) second.hubLine.cut();
      struck.moveTo(second, 1);
      await sellABit(field);
      second.hubLine.restore();
      await sellABit(field);
      await field.untilQuiet();
      struck.moveTo(field.boxIn(placeOf(field)), 1);
      await field.closeBox(twin);
      await sellABit(field);
    },
  },
  {
    name: 'box-replaced',
    what: 'a box is gone with what it had not sent; another takes its place with a new code',
    async strike(field) {
      const { struck } = field;
      if (field.draw(2) === 0) await field.untilApplied();
      await perhapsCutOff(field, () => sellABit(field));
      const gone = placeOf(field);
      await field.killBox(gone);
      await field.closeBox(gone);
      const code = await field.withOffice((office) => office.enrolmentCode(struck.code, { for: 'box' }));
      const folder = field.newFolder(struck.code);
      const box = await field.openBox(folder, struck.code, code);
      field.setPlace(struck.code, folder);
      struck.moveTo(box);
      await struck.untilKnown();
      await struck.offerAgain();
      await sellABit(field);
    },
  },
  {
    name: 'box-revoked',
    what: 'head office ends a box, which sells on; then it is enrolled anew, with its file',
    async strike(field) {
      const { struck } = field;
      await perhapsCutOff(field, () => sellABit(field));
      const [box] = await field.withOffice((office) => office.boxesOf(struck.code));
      if (box === undefined) throw new Error(`${struck.code} has no box`);
      await field.withOffice((office) => office.revokeBox(struck.code, box));
      await sellABit(field);
      const folder = placeOf(field);
      await field.untilRefused(folder);
      const code = await field.withOffice((office) => office.enrolmentCode(struck.code, { for: 'box' }));
      await field.closeBox(folder);
      field.remove(join(field.folderOf(folder), 'box.json'));
      const again = await field.openBox(folder, struck.code, code);
      struck.moveTo(again);
      await struck.untilKnown();
      await sellABit(field);
    },
  },
  {
    name: 'hub-restored',
    what: 'the database of head office comes back from an earlier copy',
    async strike(field) {
      const copy = await field.copyHub();
      await sellABit(field);
      if (field.draw(2) === 0) await field.untilQuiet();
      await field.putHubBack(copy);
      await sellABit(field);
    },
  },
  {
    name: 'feed-restarted',
    what: 'head office comes back from an earlier copy, without prices that stores have already',
    async strike(field) {
      const copy = await field.copyHub();
      await field.changePrices();
      await field.untilPricesAgree();
      await field.putHubBack(copy);
      await field.untilPricesAgree();
      if (field.draw(2) === 0) await field.changePrices();
      await field.untilPricesAgree();
      await sellABit(field);
    },
  },
  {
    name: 'both-restored',
    what: 'box and head office come back from copies of different times',
    async strike(field) {
      const { struck } = field;
      const boxFirst = field.draw(2) === 0;
      const first = boxFirst ? await copyBox(field) : await field.copyHub();
      await sellABit(field);
      if (field.draw(2) === 0) await field.untilQuiet();
      const second = boxFirst ? await field.copyHub() : await copyBox(field);
      await sellABit(field);
      await field.putHubBack(boxFirst ? second : first);
      await restoreBox(field, boxFirst ? first : second, false);
      await field.untilQuiet();
      await struck.offerAgain();
      await sellABit(field);
    },
  },
];
