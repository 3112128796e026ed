/** One Jest run for the whole house. Real SQLite files, one real PostgreSQL for all workers (libs/fleet/src/testing). */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  roots: ['<rootDir>/libs', '<rootDir>/edge', '<rootDir>/hub'],
  testMatch: ['**/*.spec.ts'],
  modulePathIgnorePatterns: ['/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          keepClassNames: true,
        },
      },
    ],
  },
  globalSetup: '<rootDir>/libs/fleet/dist/testing/jest-setup.js',
  globalTeardown: '<rootDir>/libs/fleet/dist/testing/jest-teardown.js',
  reporters: ['default', '<rootDir>/libs/fleet/dist/testing/closing-line-reporter.js'],
  testTimeout: 60_000,
  maxWorkers: 2,
};
