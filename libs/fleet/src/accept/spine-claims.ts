import type { Claim } from './named-tests.js';

const WRITER = 'edge/src/store/writer.spec.ts';
const KILLS = 'edge/test/crash/kill-points.spec.ts';
const EDGE_PUSH = 'edge/test/push.spec.ts';
const HUB_PUSH = 'hub/test/push.spec.ts';

/** The tests that the issue *spine* names. That they fail when something is broken is what the planted bugs show. */
export const SPINE_CLAIMS: readonly Claim[] = [
  { claim: 'three interleaved writers', file: WRITER, title: /three interleaved writers/ },
  { claim: 'three interleaved tills', file: 'edge/test/selling.spec.ts', title: /three interleaved clients/ },
  { claim: 'a command that fails inside a group', file: WRITER, title: /command that fails inside a group/ },
  { claim: 'a command that fails once its line is journalled', file: WRITER, title: /journalled before its rows/ },
  { claim: 'disk full inside a group', file: WRITER, title: /disk is full inside it/ },
  { claim: 'kill between commit and reply', file: KILLS, title: /^an edge killed .* committed, not witnessed/ },
  { claim: 'kill between witness and reply', file: KILLS, title: /^an edge killed .* witnessed, not answered/ },
  {
    claim: 'kill between hub commit and acknowledgement',
    file: 'hub/test/crash/kill-points.spec.ts',
    title: /committed, not acknowledged/,
  },
  { claim: 'the edge after a lost acknowledgement', file: EDGE_PUSH, title: /acknowledgement was lost/ },
  { claim: 'doubled pushes', file: HUB_PUSH, title: /twenty of the same arrive at once/ },
  { claim: 'reordered pushes', file: HUB_PUSH, title: /is told what is next when lines are missing/ },
  { claim: 'reordered lines', file: HUB_PUSH, title: /by reordered lines/ },
  { claim: 'truncated pushes', file: HUB_PUSH, title: /being cut short is refused whole/ },
  { claim: 'one poisoned line in 500', file: 'hub/test/projection.spec.ts', title: /set aside .* the other 499/ },
  { claim: 'refresh reuse in a race, edge', file: 'edge/test/staff.spec.ts', title: /hundred parallel uses/ },
  { claim: 'refresh reuse in a race, hub', file: 'hub/test/sign-in.spec.ts', title: /a hundred times at once/ },
  { claim: "another branch's token", file: HUB_PUSH, title: /another branch’s token/ },
  { claim: 'an undeclared route', file: 'libs/access/test/guard.spec.ts', title: /says nothing of who may enter/ },
  {
    claim: 'row-level security without guards',
    file: 'hub/test/row-level-security.spec.ts',
    title: /shows one tenant nothing of another/,
  },
  { claim: 'and for writing', file: 'hub/test/row-level-security.spec.ts', title: /plant nothing of another/ },
  { claim: 'and on every table', file: 'hub/test/row-level-security.spec.ts', title: /every table that has a tenant/ },
];
