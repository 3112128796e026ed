// The HEALTHCHECK of both images, asked from inside the container: `node is-live.js HUB|EDGE`, exit 0 when it lives.
const [program] = process.argv.slice(2);
const port = process.env[`${program}_PORT`];
// Without a certificate only loopback is served in plain HTTP; beyond it an edge takes one of its own.
const [host, certificate, mode] = ['HOST', 'TLS_CERT', 'TLS'].map((name) => process.env[`${program}_${name}`]);
const isPlain = !certificate && mode !== 'auto' && ['127.0.0.1', '::1', 'localhost', '', undefined].includes(host);
const scheme = isPlain ? 'http' : 'https';
// The certificate bears the name that tills and boxes use; this is our own loopback, where there is nobody else to be.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
process.removeAllListeners('warning');

try {
  const answer = await globalThis.fetch(`${scheme}://127.0.0.1:${port}/health/live`, {
    signal: globalThis.AbortSignal.timeout(4_000),
  });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
} catch (error) {
  process.stderr.write(`not live: ${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
