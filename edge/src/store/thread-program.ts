/** Which program a thread runs. `execArgv`: flags of Node for it alone. */
export type ThreadProgram = { url: URL; execArgv?: string[] };
