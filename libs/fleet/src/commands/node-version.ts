/** Imported before anything else: what follows may not even load on an older Node. */
const NODE_MIN = [20, 19] as const;

export function isOldNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
}

if (isOldNode(process.versions.node)) {
  process.stderr.write(`Node ${NODE_MIN.join('.')} or newer is needed, this is ${process.versions.node}\n`);
  process.exit(3);
}
