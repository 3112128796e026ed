import { byId, setText } from './dom.js';
import { Hub, HubAway, Refused, SignedOut } from './hub.js';
import { Overview } from './overview.js';

const LINK = /^#sign-in=([A-Za-z0-9_-]+)$/;
const RETRY_MS = 3_000;

const hub = new Hub();
const overview = new Overview(hub, () => showSignIn('Your sign-in has ended. Sign in again.'));
const form = byId('sign-in-form') as HTMLFormElement;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void signIn();
});
byId('sign-out').addEventListener('click', () => void signOut());
// A link that is opened in a tab that shows this page already changes the fragment only.
addEventListener('hashchange', () => void begin());
void begin();

/** By the link's code, else with the sign-in of an earlier visit, else by the form. */
async function begin(): Promise<void> {
  const code = LINK.exec(location.hash)?.[1];
  // Out of the address and the history at once, used or not.
  if (location.hash !== '') history.replaceState(null, '', location.pathname);
  let word = '';
  try {
    if (code !== undefined) {
      try {
        await hub.signInByLink(code);
        return showOverview();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        word =
          error.code === 'link-invalid'
            ? 'This sign-in link was used before or has expired. Sign in here.'
            : error.detail;
      }
    }
    await hub.resume();
    showOverview();
  } catch (error) {
    if (error instanceof SignedOut) return showSignIn(word);
    if (!(error instanceof HubAway || error instanceof Refused)) throw error;
    showSignIn('No answer from the hub. Trying again.');
    // With the code, if the hub was away before it could be used.
    setTimeout(() => {
      if (code !== undefined) history.replaceState(null, '', `#sign-in=${code}`);
      if (!byId('sign-in').hidden) void begin();
    }, RETRY_MS);
  }
}

async function signIn(): Promise<void> {
  const button = byId('sign-in-button') as HTMLButtonElement;
  const { email, password } = Object.fromEntries(new FormData(form)) as { email: string; password: string };
  button.disabled = true;
  try {
    await hub.signIn(email, password);
    form.reset();
    showOverview();
  } catch (error) {
    if (error instanceof Refused) setText(byId('sign-in-word'), error.detail);
    else if (error instanceof HubAway) setText(byId('sign-in-word'), 'No answer from the hub.');
    else throw error;
  } finally {
    button.disabled = false;
  }
}

async function signOut(): Promise<void> {
  overview.stop();
  let word = 'You are signed out.';
  try {
    await hub.signOut();
  } catch (error) {
    if (!(error instanceof HubAway || error instanceof Refused)) throw error;
    word = 'The hub did not answer: this browser may still be signed in.';
  }
  showSignIn(word);
}

function showSignIn(word: string): void {
  overview.stop();
  setText(byId('sign-in-word'), word);
  if (!byId('sign-in').hidden) return;
  byId('chain').hidden = true;
  byId('sign-in').hidden = false;
  byId('email').focus();
}

function showOverview(): void {
  byId('sign-in').hidden = true;
  byId('chain').hidden = false;
  setText(byId('sign-in-word'), '');
  overview.start();
}
