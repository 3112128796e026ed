import { byId, setText } from './dom.js';
import { Hub, HubAway, Refused, SignedOut } from './hub.js';
import { Overview } from './overview.js';

const LINK = /^#sign-in=([A-Za-z0-9_-]+)$/;
const RETRY_MS = 3_000;

const hub = new Hub();
const overview = new Overview(hub, () => showSignIn('Your sign-in has ended. Sign in again.'));
const form = byId('sign-in-form') as HTMLFormElement;

/** The pages of which one is shown. */
const PAGES = ['sign-in', 'otherwise', 'chain'] as const;
/** A link that asks, and the hub's word for a yes. */
let asking: { code: string; confirm: string } | null = null;

hub.onPerson = (email) => setText(byId('who'), email);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void signIn();
});
byId('otherwise-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (asking) void enter(asking.code, asking.confirm);
});
byId('stay').addEventListener('click', () => void enter());
byId('sign-out').addEventListener('click', () => void signOut());
// A link that is opened in a tab that shows this page already changes the fragment only.
addEventListener('hashchange', begin);
begin();

function begin(): void {
  const code = LINK.exec(location.hash)?.[1];
  // Out of the address and the history at once, used or not.
  if (location.hash !== '') history.replaceState(null, '', location.pathname);
  void enter(code);
}

/** By the link's code, else with the sign-in of an earlier visit, else by the form. */
async function enter(code?: string, confirm?: string): Promise<void> {
  asking = null;
  let word = '';
  try {
    if (code !== undefined) {
      try {
        await hub.signInByLink(code, confirm);
        return showOverview();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.confirm !== undefined) return ask({ code, confirm: error.confirm }, error.detail);
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
      if (!byId('sign-in').hidden) void enter(code, confirm);
    }, RETRY_MS);
  }
}

/** Before a link makes somebody else of who is signed in here: whoever sent it may want that more than he does. */
function ask(link: { code: string; confirm: string }, who: string): void {
  asking = link;
  overview.stop();
  setText(byId('otherwise-word'), who);
  show('otherwise');
  byId('stay').focus();
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
  show('sign-in');
  byId('email').focus();
}

function showOverview(): void {
  show('chain');
  setText(byId('sign-in-word'), '');
  overview.start();
}

function show(page: (typeof PAGES)[number]): void {
  for (const each of PAGES) byId(each).hidden = each !== page;
}
