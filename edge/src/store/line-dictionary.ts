/**
 * What lines have in common, for deflate to point at: the rarest kinds first, a usual sale last, for the nearer the
 * cheaper. Never edited: stored lines can only be read with the very bytes they were written with. A better one is a
 * second one, with a version of its own in `line-storage.ts`; a test holds this one's hash.
 */
export const LINE_DICTIONARY_1: Buffer = Buffer.from(
  [
    '"tenant":"branch":"branchCode":"box":"signingKey":"sealingKey":"epoch":1,"previous":{"incarnation":"seq":"hash":"',
    '"},"reason":"first""witness-missing""witness-ahead""fork""name":"codeHash":"tokenHash":"',
    '"kind":"incarnation-open","key":"kind":"device-enrol","key":"kind":"day-seal","key":"2026-01-01","refs":["shift:',
    '"zNumber":1,"drawer":"D1","openedAt":17,"closedAt":17,"floatMinor":30000,"byBusinessDate":[{"businessDate":"2026-01-01",',
    '"baskets":100,"lines":500,"unitsMilli":1000,"amountMinor":100,"discountMinor":0,"netMinor":100,"taxMinor":10,',
    '"totalMinor":100}],"tenders":[{"tenderType":"cash","currency":"EUR","expectedMinor":100,"declaredMinor":100,',
    '"differenceMinor":0},{"tenderType":"card","currency":"EUR"}],"grandTotalMinor":100,"exceptions":[],"sealedAt":17,',
    '"shifts":[{"id":"01","zNumber":1}],"figures":{"businessDate":"2026-01-01"}',
    '"flags":["late"]"clock-skew""no-open-shift""unknown-operator""unknown-product""unknown-barcode""not-tradable""no-price"',
    '"price-differs""unapproved-modifier""duplicate-device-reference""tenders-unbalanced""total-differs""cashBackMinor":',
    '"location":{"latitude":1.0,"longitude":1.0,"accuracyM":10,"source":"gps"},"customerId":"01","source":"away""source":"import"',
    '"priceSource":"external","amountMinor":100,"modifiers":[{"kind":"loyalty","amountMinor":-100},{"kind":"coupon-match",',
    '"amountMinor":-100}],"information":[{"kind":"manufacturer-coupon","amountMinor":100}],"barcode":"95',
    '{"seq":1,"kind":"shift-close","key":"01","refs":["shift:01"],{"seq":1,"kind":"shift-open","key":"01","refs":[],',
    '{"seq":1000,"kind":"sale","key":"01a","refs":["shift:01a"],"contract":1,"at":17,"hlc":"01-0000","actor":null,',
    '"device":null,"contentHash":"","actor":"","device":"01a","contentHash":"","body":{"id":"01a","receiptNumber":"B001-T1-1-0000',
    '","receiptNo":1,"epoch":1,"deviceReference":"T1-2026-000","till":"T1","operator":"","shift":"01a","businessDate":"2026-',
    '","occurredAt":17,"soldAt":17,"source":"live","currency":"EUR","lines":[{"lineNo":1,"product":"","name":"',
    ' 500 g","quantityMilli":2000,"price":{"minor":1',
    '95,"per":1},"priceSource":"book","priceEntry":"/-","amountMinor":2',
    '90,"modifiers":[],"netMinor":2',
    '00,"taxMinor":10,"totalMinor":300,"taxes":[{"code":"GST","ratePpm":100000,"amountMinor":1',
    '0}]},{"lineNo":2,"product":"","name":"',
    '","quantityMilli":1000,"price":{"minor":150,"per":1},"priceSource":"book",',
    '"priceEntry":"/-","amountMinor":150,"modifiers":[],"netMinor":150,"taxMinor":0,"totalMinor":150,"taxes":[]}],',
    '"tenders":[{"tenderNo":1,"type":"card","amountMinor":100,"card":{"scheme":"VISA","maskedPan":"****',
    '","authCode":""}},{"tenderNo":2,"type":"cash","amountMinor":1000}],"amountMinor":1000,"discountMinor":0,"netMinor":1000,',
    '"taxMinor":0,"totalMinor":1000,"cashRoundingMinor":0,"changeMinor":0,"flags":[]}}',
  ].join(''),
  'utf8',
);
