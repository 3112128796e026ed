import { createHash } from 'node:crypto';
import { PLATFORMS } from './platforms.js';

/** What the page is told: text that may come from a request is escaped here. */
export type TrustPageView = {
  branchCode: string;
  /** SHA-256 of the authority's certificate, colon-separated hex. */
  fingerprint: string;
  authorityEnds: string;
  /** Where this device would trade: `https://edge-1.local:8500`. */
  origin: string;
  /** Before the addresses of the files: empty on the plain door, `/trust` on the secure one. */
  base: '' | '/trust';
};

const STYLE = `
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
/* sixteen pairs a line, where there is room */
.fingerprint{display:block;max-width:48ch;padding:.6rem;border:1px solid;border-radius:6px;font-size:.95rem}
.actions{display:flex;flex-wrap:wrap;gap:.6rem;padding:0}
.actions a,button{display:inline-block;padding:.6rem 1rem;border:1px solid;border-radius:6px;font:inherit;color:inherit;background:none;text-decoration:none;cursor:pointer}
details{border-top:1px solid #8886;padding:.5rem 0}summary{cursor:pointer;font-weight:600;padding:.25rem 0}
ol{padding-left:1.4rem;margin:.5rem 0}
#outcome{font-weight:600}`;

/** Asks over TLS, which the browser lets through only when it trusts the certificate; and opens the steps of this device. */
const SCRIPT = `
const outcome = document.getElementById('outcome');
const check = document.getElementById('check');
const origin = check.dataset.origin;
async function ask() {
  outcome.textContent = 'Asking …';
  try {
    const answer = await fetch(origin + '/trust/check', { cache: 'no-store', signal: AbortSignal.timeout(8000) });
    if (!answer.ok) throw new Error();
    outcome.textContent = 'This device trusts the store.';
  } catch {
    outcome.textContent = 'This device does not trust the store yet, or ' + origin + ' cannot be reached.';
  }
}
check.hidden = false;
check.addEventListener('click', ask);
const agent = navigator.userAgent;
const kinds = [['android', /Android/], ['chromeos', /CrOS/], ['ios', /iPhone|iPad/], ['windows', /Windows/], ['macos', /Mac OS X/], ['linux', /Linux/]];
const kind = kinds.find(([, pattern]) => pattern.test(agent));
if (kind) document.getElementById(kind[0]).open = true;
ask();`;

const sourceOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing but the page's own style and script, by their hashes, and the one address it asks. */
export function trustPagePolicy(origin: string): string {
  return [
    "default-src 'none'",
    `style-src ${sourceOf(STYLE)}`,
    `script-src ${sourceOf(SCRIPT)}`,
    `connect-src ${origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

export function trustPage({ branchCode, fingerprint, authorityEnds, origin, base }: TrustPageView): string {
  const steps = PLATFORMS.map(
    ({ id, name, steps }) =>
      `<details id="${id}"><summary>${name}</summary><ol>${steps.map((step) => `<li>${step}</li>`).join('')}</ol></details>`,
  ).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trust store ${escaped(branchCode)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Let this device trust store ${escaped(branchCode)}</h1>
<p>The store's own server proves who it is with a certificate of its own authority. Each till has to be told once to trust
that authority; browsers then allow the camera, and selling with no internet.</p>
<p id="outcome" role="status"></p>
<p class="actions"><button id="check" type="button" data-origin="${escaped(origin)}" hidden>Check again</button>
<a href="${escaped(origin)}/">Open ${escaped(origin)}</a></p>

<h2>1. Compare</h2>
<p>Whoever controls this network could show you an authority of theirs. Compare these digits with those that
<code>npm run edge -- fingerprint</code> prints on the store's box, or that your head office gave you. If one differs, stop.</p>
<code class="fingerprint">${escaped(fingerprint)}</code>

<h2>2. Fetch</h2>
<p class="actions"><a href="${base}/ca.crt">ca.crt (all devices)</a>
<a href="${base}/ca.mobileconfig">Profile (iPhone, iPad)</a>
<a href="${base}/ca.pem">ca.pem (Linux)</a></p>

<h2>3. Trust</h2>
${steps}

<h2>What it may sign for</h2>
<p>This authority can vouch for the names of this store's server and for private network addresses, not for any other site.
It ends on ${escaped(authorityEnds)}.</p>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
