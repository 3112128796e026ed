/** The directions of ARCHITECTURE.md: imports point towards the rules, never back, never across. */
const room = (name, path, allowed) => ({
  name,
  severity: 'error',
  comment: `${path} may import only ${allowed || 'npm packages'}`,
  from: { path: `^${path}/` },
  to: { path: '^(edge|hub|libs)/', pathNot: `^(${[path, ...allowed].join('|')})/` },
});

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'domain-knows-no-framework',
      severity: 'error',
      from: { path: '^libs/(domain|replication)/' },
      to: { path: 'node_modules/(@nestjs|typeorm|pg|better-sqlite3|fastify|axios)/' },
    },
    room('domain-stands-alone', 'libs/domain', []),
    room('replication-knows-domain', 'libs/replication', ['libs/domain']),
    room('http-stands-alone', 'libs/http', ['libs/domain']),
    room('access-knows-http', 'libs/access', ['libs/http', 'libs/domain']),
    { ...room('edge-never-knows-hub', 'edge/src', ['libs/(domain|replication|http|access)']) },
    { ...room('hub-never-knows-edge', 'hub/src', ['libs/(domain|replication|http|access)']) },
    room('console-is-a-client', 'hub/console', []),
    {
      name: 'nobody-imports-the-console',
      severity: 'error',
      comment: 'the page is served as files; what it shares with the hub is the API',
      from: { pathNot: '^hub/console/' },
      to: { path: '^hub/console/' },
    },
    room('fleet-runs-them-as-programs', 'libs/fleet', ['libs/(domain|replication|http|access)']),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.tests.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['source', 'import', 'node', 'default'] },
  },
};
