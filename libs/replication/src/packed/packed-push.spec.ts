import { brotliCompressSync, constants } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chainHash, GENESIS_HASH, sha256Hex } from '../chain.js';
import { nextHlc } from '../hlc.js';
import { encodeLine, LINE_BYTES_MAX } from '../line.js';
import { MalformedPush, type PushHeader, type ReceivedLine } from '../push.js';
import { ColumnWriter, joinColumns } from './columns.js';
import { LinePacker } from './pack-lines.js';
import { encodePackedPush, PackedPush } from './packed-push.js';
import { MEMBERS_MAX, MEMBERS_TOLD_MAX, PLACE_CHARACTERS_MAX, SAID, TRACKS_MAX, TYPE, VALUES_MAX } from './tracks.js';

/** As the edge does it. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } };

describe('lines that were packed', () => {
  it('come back as the very bytes they were, with what they say', () => {
    const lines = salesOfADay(300);
    const received = unpacked(packed(lines), lines);
    expect(received.map(({ bytes }) => bytes.toString('utf8'))).toEqual(lines.map((line) => line.toString('utf8')));
    expect(received.map(({ value }) => value)).toEqual(lines.map((line) => JSON.parse(line.toString('utf8'))));
    expect(received.at(-1)?.hash).toEqual(headOf(lines));
  });

  it('come back or are not taken, whatever they say', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), textLikeOurs);
    const name = fc.oneof(text, fc.constantFrom('seq', 'at', 'hlc', 'body', 'lines', 'key', '1'));
    const leaf = fc.oneof(text, fc.maxSafeInteger(), fc.double(), fc.constantFrom(null, true, false));
    const value = fc.oneof(leaf, fc.array(leaf, { maxLength: 4 }), fc.dictionary(name, leaf, { maxKeys: 4 }));
    const line = fc
      .dictionary(name, fc.oneof(value, fc.array(value, { maxLength: 4 })), { maxKeys: 6 })
      .map((object) => Buffer.from(JSON.stringify(object), 'utf8'));
    let taken = 0;
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        const packer = new LinePacker();
        if (!lines.every((each) => packer.add(each))) return;
        taken += 1;
        const received = unpacked(packer.finish(), lines);
        expect(received.map(({ bytes }) => bytes.toString('utf8'))).toEqual(lines.map((each) => each.toString('utf8')));
        for (const { bytes, value: said } of received) expect(said).toEqual(JSON.parse(bytes.toString('utf8')));
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(150);
  });

  it('are taken where JSON.stringify wrote them, and not where somebody else did', () => {
    const taken = [
      '{}',
      '{"a":-1.25e+31}',
      '{"a":"\\"\\\\\\n\\u0001é€😀"}',
      '{"a":"a \\"quote\\""}',
      '{"2":1,"b":{"x":[]}}',
      '{"a":[[],{},null,true,1.5]}',
    ];
    const lines = taken.map((text) => Buffer.from(text));
    expect(unpacked(packed(lines), lines).map(({ bytes }) => bytes.toString('utf8'))).toEqual(taken);
    const refused = [
      ...['', '[]', '7', '{', '{"a":1', '{ "a":1}', '{"a":1} ', '{"a":1.0}', '{"a":-0}', '{"a":01}', '{"a":1e2}'],
      ...['{"a":1,"a":2}', '{"b":1,"2":1}', '{"a":"\\u00e9"}', '{"a":"\\ud800"}', '{"a":"\t"}', '{"__proto__":1}'],
      ...[40, 40_000].map((depth) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)),
      `{"a":"${'x'.repeat(LINE_BYTES_MAX)}"}`,
    ];
    for (const text of refused)
      expect([text.slice(0, 20), new LinePacker().add(Buffer.from(text))]).toEqual([text.slice(0, 20), false]);
    expect(new LinePacker().add(Buffer.from([...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')]))).toBe(false);
  });

  it('are taken down alike whether they are like those before them or not', () => {
    for (const odd of [
      '{"a":01}',
      '{"a":-0}',
      '{"a":1.0}',
      '{"a":"\t"}',
      '{"a":1}}',
      '{"a":1',
      '{"a":2,"a":1}',
      '{"a":"x"y"}',
    ]) {
      const packer = new LinePacker();
      for (const known of ['{"a":1}', '{"a":"x"}', '{"a":2.5}']) expect(packer.add(Buffer.from(known))).toBe(true);
      expect([odd, packer.add(Buffer.from(odd))]).toEqual([odd, false]);
    }
  });

  it('of as many places as may be come back, and of one more are not taken', () => {
    const ofPlaces = (from: number, count: number): Buffer =>
      Buffer.from(
        JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_none, at) => [`p${from + at}`, '']))),
      );
    const lines = Array.from({ length: TRACKS_MAX / 512 }, (_none, at) => ofPlaces(at * 512, 512));
    expect(unpacked(packed(lines), lines).map(({ bytes }) => bytes)).toEqual(lines);
    const packer = new LinePacker();
    expect([...lines, ofPlaces(TRACKS_MAX, 1)].map((line) => packer.add(line)).at(-1)).toBe(false);
  });

  it('of as many told members as may be come back, and of more are not taken', () => {
    // The same members in another order are another shape.
    const shapeOf = (turned: number): Buffer => {
      const names = Array.from({ length: MEMBERS_MAX }, (_none, at) => `m${(at + turned) % MEMBERS_MAX}`);
      return Buffer.from(JSON.stringify(Object.fromEntries(names.map((name) => [name, null]))));
    };
    const lines = Array.from({ length: MEMBERS_TOLD_MAX / MEMBERS_MAX }, (_none, at) => shapeOf(at));
    expect(unpacked(packed(lines), lines).map(({ bytes }) => bytes)).toEqual(lines);
    const packer = new LinePacker();
    expect([...lines, shapeOf(lines.length)].map((line) => packer.add(line)).at(-1)).toBe(false);
  });

  it('are not taken when the other end would not: names and places over a thousand characters, too many values', () => {
    const name = 'x'.repeat(PLACE_CHARACTERS_MAX);
    expect(new LinePacker().add(Buffer.from(JSON.stringify({ [name]: 1 })))).toBe(true);
    expect(new LinePacker().add(Buffer.from(JSON.stringify({ [name]: [1] })))).toBe(false);
    expect(new LinePacker().add(Buffer.from(JSON.stringify({ [`${name}x`]: null })))).toBe(false);
    const packer = new LinePacker();
    const line = Buffer.from(JSON.stringify({ a: new Array(100_000).fill(1) }));
    expect(Array.from({ length: 20 }, () => packer.add(line))).toEqual([...new Array(19).fill(true), false]);
  });

  it('say texts over a thousand characters anew each time', () => {
    const lines = ['x', 'y', 'x', 'x'].map((letter) => Buffer.from(JSON.stringify({ a: letter.repeat(20_000) })));
    expect(packed(lines).length).toBeGreaterThan(3 * 20_000);
    expect(unpacked(packed(lines), lines).map(({ bytes }) => bytes)).toEqual(lines);
  });

  it('take little more than half of what they take as NDJSON, less than 100 bytes a sale of five lines', () => {
    const lines = salesOfADay(500);
    const bytes = brotliCompressSync(packed(lines), BROTLI).length / lines.length;
    expect(bytes).toBeLessThan(100);
    expect(bytes).toBeLessThan(brotliCompressSync(Buffer.concat(lines), BROTLI).length / lines.length / 1.8);
  });

  it('have the same columns for ever: boxes and hubs of other versions guess alike', () => {
    expect(sha256Hex(packed(salesOfADay(50)))).toBe('e1712e9bc1ca6be4d66bbee34f087430ccf7efe4e6ae08b09ee92aaac32e575f');
  });
});

describe('a packed push', () => {
  const lines = salesOfADay(20);
  const whole = encodePackedPush(headerOf(lines), packed(lines));

  it('is refused when its lines do not lead to its head', () => {
    const other = { ...headerOf(lines), headHash: '11'.repeat(32) };
    expect(() => all(encodePackedPush(other, packed(lines)))).toThrow(MalformedPush);
    const swapped = [...lines].reverse();
    expect(() => all(encodePackedPush(headerOf(lines), packed(swapped)))).toThrow('do not lead to headHash');
  });

  it.each<[string, Partial<PushHeader>, number]>([
    ['announces more lines than it has', { count: 21 }, 0],
    ['announces fewer lines than it has', { count: 19 }, 0],
    ['is cut short', {}, 1],
    ['is cut in the middle', {}, 700],
  ])('is refused when it %s', (_what, changes, cutBytes) => {
    const body = encodePackedPush({ ...headerOf(lines), ...changes }, packed(lines));
    expect(() => all(body.subarray(0, body.length - cutBytes))).toThrow(MalformedPush);
  });

  it('of altered bytes is refused, or is the same push said otherwise', () => {
    const from = whole.indexOf(0x0a) + 1;
    const change = fc.record({
      at: fc.integer({ min: from, max: whole.length - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const body = Buffer.from(whole);
        for (const { at, byte } of changes) body[at] = byte;
        const received: ReceivedLine[] = [];
        try {
          const push = new PackedPush(body);
          for (let line = push.next(); line !== null; line = push.next()) received.push(line);
          expect(received.map(({ bytes }) => bytes)).toEqual(lines);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPush);
        }
        for (const { bytes, value } of received) expect(value).toEqual(JSON.parse(bytes.toString('utf8')));
      }),
      { numRuns: 300 },
    );
  });

  it('of made-up bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => all(encodePackedPush(headerOf(lines), Buffer.from(bytes)))).toThrow(MalformedPush);
      }),
      { numRuns: 500 },
    );
  });

  it('that points again and again at one long text stops at the longest line, and at the longest push', () => {
    const text = 'x'.repeat(50_000);
    const repeating = (times: number): Buffer =>
      madeUp({ name: 'a', type: TYPE.array }, (columns) => {
        // Length, types, and of the text: once said, then guessed.
        columns[3]?.integer(times);
        for (let at = 0; at < times; at += 1) columns[4]?.byte(TYPE.text);
        columns[5]?.byte(1);
        columns[6]?.natural(text.length);
        columns[6]?.text(text, 'latin1');
        for (let at = 1; at < times; at += 1) columns[5]?.byte(0);
      });
    const header = { ...headerOf(lines), count: 1 };
    expect(() => all(encodePackedPush(header, repeating(5)))).toThrow('do not lead to headHash');
    expect(() => all(encodePackedPush(header, repeating(6)))).toThrow('a line over');
    expect(() => new PackedPush(encodePackedPush(header, repeating(5)), 200_000).next()).toThrow(
      'more than a push may hold',
    );
  });

  it('that makes an array longer than its bytes ends where they do', () => {
    const endless = madeUp({ name: 'a', type: TYPE.array }, (columns) => columns[3]?.integer(2 ** 20));
    expect(() => all(encodePackedPush({ ...headerOf(lines), count: 1 }, endless))).toThrow('a column is too short');
  });

  it('that says null for a number that JSON has none for is refused: its bytes would say one thing, its value another', () => {
    const nothing = madeUp({ name: 'a', type: TYPE.number }, (columns) => {
      columns[3]?.byte(SAID.text);
      columns[4]?.natural(4);
      columns[4]?.text('null', 'latin1');
    });
    const body = encodePackedPush({ ...headerOf(lines), count: 1 }, nothing);
    expect(() => all(body)).toThrow('a number that JSON writes otherwise');
  });

  it('of more values than memory is meant for is refused, however short they are', () => {
    const arrays = (times: number): Buffer =>
      madeUp({ name: 'a', type: TYPE.array }, (columns) => columns[3]?.integer(times));
    const header = { ...headerOf(lines), count: 1 };
    expect(() => all(encodePackedPush(header, arrays(VALUES_MAX)))).toThrow('too many values');
  });

  it('of names or places over a thousand characters is refused before they are compared with each other', () => {
    const header = { ...headerOf(lines), count: 1 };
    const named = (name: string): Buffer => madeUp({ name, type: TYPE.text }, () => undefined);
    expect(() => all(encodePackedPush(header, named('x'.repeat(PLACE_CHARACTERS_MAX + 1))))).toThrow('a name too long');
    expect(() => all(encodePackedPush(header, named('x'.repeat(PLACE_CHARACTERS_MAX))))).toThrow('too short');
    const nested = (name: string): Buffer =>
      madeUp({ name, type: TYPE.array }, (columns) => {
        columns[3]?.integer(1);
        columns[4]?.byte(TYPE.text);
      });
    expect(() => all(encodePackedPush(header, nested('x'.repeat(PLACE_CHARACTERS_MAX))))).toThrow(
      'a place too far down',
    );
  });

  it('that tells shapes without end is refused', () => {
    const shapesTold = MEMBERS_TOLD_MAX / MEMBERS_MAX + 1;
    const [shapes, names, object] = [new ColumnWriter(), new ColumnWriter(), new ColumnWriter()];
    for (let shape = 0; shape < shapesTold; shape += 1) {
      object.natural(1);
      shapes.natural(MEMBERS_MAX);
      for (let at = 0; at < MEMBERS_MAX; at += 1) {
        shapes.byte(TYPE.null);
        shapes.natural(shape === 0 ? 0 : at + 1);
        if (shape > 0) continue;
        names.natural(`m${at}`.length);
        names.text(`m${at}`, 'latin1');
      }
    }
    const header = { ...headerOf(lines), count: shapesTold };
    expect(() => all(encodePackedPush(header, joinColumns([shapes, names, object])))).toThrow('too many members');
  });

  it('with a header longer than any is refused unread', () => {
    const header = { ...headerOf(lines), more: 'x'.repeat(20_000) };
    expect(() => all(encodePackedPush(header, packed(lines)))).toThrow('a header over');
  });

  it.each([
    ['a name that is none', { name: '__proto__', type: TYPE.null }],
    ['no type', { name: 'a', type: 8 }],
  ])('with %s is refused', (what, member) => {
    expect(() =>
      all(
        encodePackedPush(
          { ...headerOf(lines), count: 1 },
          madeUp(member, () => undefined),
        ),
      ),
    ).toThrow(what);
  });
});

const textLikeOurs = fc.oneof(
  fc.uuid(),
  fc.nat(99_999).map((no) => `B001-T1-1-${String(no).padStart(6, '0')}`),
  fc.constant('ab'.repeat(32)),
  fc.nat(9_999).map((no) => `****${no}`),
);

/** Columns of one object with one member: shapes, names, the object's own, and then those of the member. */
function madeUp(member: { name: string; type: number }, fill: (columns: ColumnWriter[]) => void): Buffer {
  const columns = Array.from({ length: 10 }, () => new ColumnWriter());
  columns[0]?.natural(1);
  columns[0]?.byte(member.type);
  columns[0]?.natural(0);
  columns[1]?.natural(member.name.length);
  columns[1]?.text(member.name, 'latin1');
  columns[2]?.byte(1);
  fill(columns);
  return joinColumns(columns);
}

function packed(lines: readonly Buffer[]): Buffer {
  const packer = new LinePacker();
  for (const line of lines) expect(packer.add(line)).toBe(true);
  return packer.finish();
}

function unpacked(columns: Buffer, lines: readonly Buffer[]): ReceivedLine[] {
  return all(encodePackedPush(headerOf(lines), columns));
}

function all(body: Buffer): ReceivedLine[] {
  const push = new PackedPush(body);
  const lines: ReceivedLine[] = [];
  for (let line = push.next(); line !== null; line = push.next()) lines.push(line);
  return lines;
}

function headOf(lines: readonly Buffer[]): Buffer {
  return lines.reduce<Buffer>((hash, line) => chainHash(hash, line), GENESIS_HASH);
}

function headerOf(lines: readonly Buffer[]): PushHeader {
  return {
    protocol: 1,
    incarnation: '0193a8f0-0000-7000-8000-000000000001',
    fromSeq: 1,
    count: lines.length,
    previousHash: GENESIS_HASH.toString('hex'),
    headHash: headOf(lines).toString('hex'),
    signature: 'x',
  };
}

/** Sales of five lines at two tills as an edge journals them. What is chance there is here hashed out of a number. */
function salesOfADay(count: number): Buffer[] {
  let hlc: string | null = null;
  const receiptNos = [0, 0];
  return Array.from({ length: count }, (_none, at) => {
    const seq = at + 1;
    const chance = (what: string, below: number): number =>
      Number.parseInt(sha256Hex(`${what} ${at}`).slice(0, 12), 16) % below;
    const ms = 1_790_000_000_000 + at * 7_919 + chance('ms', 5_000);
    hlc = nextHlc(hlc, ms);
    const till = chance('till', 2);
    const receiptNo = ++(receiptNos as [number, number])[till as 0 | 1];
    const id = uuidOf(ms, `sale ${at}`);
    const lines = Array.from({ length: 5 }, (_line, lineAt) => saleLineOf(lineAt + 1, chance));
    const totalMinor = lines.reduce((sum, line) => sum + line.totalMinor, 0);
    const netMinor = lines.reduce((sum, line) => sum + line.netMinor, 0);
    const shift = uuidOf(1_789_990_000_000, `shift ${till}`);
    const body = {
      ...{ id, receiptNumber: `B001-T${till + 1}-1-${String(receiptNo).padStart(6, '0')}`, receiptNo, epoch: 1 },
      deviceReference: `T${till + 1}-20260921-${String(receiptNo).padStart(6, '0')}`,
      ...{ till: `T${till + 1}`, operator: 'mia', shift, businessDate: '2026-09-21', occurredAt: ms - 9, soldAt: ms },
      ...{ source: 'live', currency: 'ZAR', lines, tenders: tendersOf(totalMinor, chance) },
      ...{ amountMinor: totalMinor, discountMinor: 0, netMinor, taxMinor: totalMinor - netMinor, totalMinor },
      ...{ cashRoundingMinor: 0, changeMinor: 0, flags: [] },
    };
    const device = uuidOf(1_789_000_000_000, `device ${till}`);
    const placed = {
      seq,
      kind: 'sale',
      key: id,
      refs: [`shift:${shift}`],
      contract: 1,
      at: ms,
      hlc,
      actor: 'mia',
      device,
    };
    return encodeLine({ ...placed, contentHash: sha256Hex(id), body });
  });
}

function saleLineOf(lineNo: number, chance: (what: string, below: number) => number) {
  const no = Math.floor((chance(`product ${lineNo}`, 20) * chance(`rare ${lineNo}`, 20)) / 2);
  const minor = 199 + no * 37;
  const quantityMilli =
    no % 9 === 0 ? 200 + chance(`milli ${lineNo}`, 1_000) : 1_000 * (1 + chance(`units ${lineNo}`, 3));
  const amountMinor = Math.round((minor * quantityMilli) / 1_000);
  const taxMinor = no % 7 === 0 ? 0 : Math.round((amountMinor * 15) / 115);
  const taxes = no % 7 === 0 ? [] : [{ code: 'VAT15', ratePpm: 150_000, amountMinor: taxMinor }];
  const priced = { quantityMilli, price: { minor, per: 1 }, priceSource: 'book', priceEntry: `P-${no}/-`, amountMinor };
  const netMinor = amountMinor - taxMinor;
  return {
    lineNo,
    product: `P-${no}`,
    name: `Beans é ${no}`,
    ...priced,
    modifiers: [],
    netMinor,
    taxMinor,
    totalMinor: amountMinor,
    taxes,
  };
}

function tendersOf(amountMinor: number, chance: (what: string, below: number) => number) {
  if (chance('cash', 3) === 0) return [{ tenderNo: 1, type: 'cash', amountMinor }];
  const card = {
    scheme: 'VISA',
    maskedPan: `****${1_000 + chance('pan', 9_000)}`,
    authCode: String(100_000 + chance('auth', 900_000)),
  };
  return [{ tenderNo: 1, type: 'card', amountMinor, card }];
}

function uuidOf(ms: number, seed: string): string {
  const chance = sha256Hex(seed);
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${chance.slice(0, 3)}-8${chance.slice(3, 6)}-${chance.slice(6, 18)}`;
}
