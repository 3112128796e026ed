import type { Claim } from './named-tests.js';

const WRITER = 'edge/src/store/writer.spec.ts';
const EDGE_PUSH = 'edge/test/push.spec.ts';
const HUB_PUSH = 'hub/test/push.spec.ts';

export const SPINE_CLAIMS: readonly Claim[] = [
  { claim: 'three interleaved writers', file: WRITER, title: /three interleaved writers/ },
  { claim: 'a command that fails inside a group', file: WRITER, title: /command that fails inside a group/ },
  { claim: 'a command that fails after its line was journalled', file: WRITER, title: /journalled before its rows/ },
  { claim: 'disk full inside a group', file: WRITER, title: /disk is full inside it/ },
  { claim: 'an undeclared route', file: 'libs/access/test/guard.spec.ts', title: /says nothing of who may enter/ },
  { claim: 'an acknowledgement that was lost', file: EDGE_PUSH, title: /acknowledgement was lost/ },
  { claim: 'one poisoned line in 500', file: HUB_PUSH, title: /poison|one bad line/ },
];
