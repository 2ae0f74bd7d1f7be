/** Where to go from here: by role, and what a link is for those who have none. */
import { signal } from '@preact/signals';
import { render } from 'preact';
import '../styles/ui.css';
import './home.css';
import '../lib/theme';
import { Icon, type IconName } from '../components/icons';
import { Top } from '../components/shell';
import { arrive, inWords, signOut } from '../lib/api';
import type { Account } from '../lib/types';

interface Place {
  href: string;
  icon: IconName;
  name: string;
  says: string;
  roles: readonly Account['role'][];
}

const PLACES: readonly Place[] = [
  {
    href: '/dashboard',
    icon: 'ear',
    name: 'Dashboard',
    says: 'All calls live: listen, coach, join or take over.',
    roles: ['supervisor', 'admin'],
  },
  {
    href: '/agent',
    icon: 'phone',
    name: 'Softphone',
    says: 'Calls that need a person ring here, with a briefing.',
    roles: ['agent'],
  },
  {
    href: '/call',
    icon: 'microphone',
    name: 'Call us',
    says: 'Speak with the AI assistant, or a person, from the browser.',
    roles: ['customer', 'admin'],
  },
  {
    href: '/rules',
    icon: 'warning',
    name: 'Rules',
    says: 'What raises an alert and what calls a person, in words.',
    roles: ['supervisor', 'admin'],
  },
];

/** Undefined until it is known. */
const account = signal<Account | null | undefined>(undefined);
const trouble = signal('');

function Home() {
  const who = account.value;
  if (who === undefined) return null;
  return (
    <>
      <Top account={who} />
      <main class="home">
        <h1 class="big">The AI answers. People see, hear and step in.</h1>
        {trouble.value && <p class="said">{trouble.value}</p>}
        {who ? <SignedIn who={who} /> : <p class="soft lead">You are not signed in on this browser.</p>}
        <ul class="places">
          {PLACES.map((place) => (
            <li key={place.href}>
              <PlaceCard place={place} isOpen={who?.role !== undefined && place.roles.includes(who.role)} />
            </li>
          ))}
        </ul>
        <section class="home__how">
          <h2>How to get in</h2>
          <p class="soft">
            With a link. <code>voicewatch demo</code> prints one for each role; on a server of your own an admin makes
            them with <code>POST /api/codes</code>. A link signs in once, from the machine the server runs on, and is good
            for ten minutes. It opens the page of its role.
          </p>
        </section>
      </main>
    </>
  );
}

function SignedIn({ who }: { who: Account }) {
  return (
    <p class="soft lead">
      You are signed in as <b>{who.name || who.role}</b>, {who.role}.{' '}
      <button type="button" class="link" onClick={() => void leave()}>
        Sign out
      </button>
    </p>
  );
}

function PlaceCard({ place, isOpen }: { place: Place; isOpen: boolean }) {
  const inside = (
    <>
      <Icon name={place.icon} size="l" />
      <b>{place.name}</b>
      <span class="soft">{place.says}</span>
      {!isOpen && <span class="small muted">Opens with a link for {place.roles.map(withArticle).join(' or ')}.</span>}
    </>
  );
  return isOpen ? (
    <a class="place" href={place.href}>
      {inside}
    </a>
  ) : (
    <div class="place place--shut">{inside}</div>
  );
}

function withArticle(role: string): string {
  return `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}`;
}

async function leave(): Promise<void> {
  try {
    await signOut();
    account.value = null;
  } catch (error) {
    trouble.value = `You are still signed in. ${inWords(error)}`;
  }
}

async function open(): Promise<void> {
  try {
    account.value = await arrive();
  } catch (error) {
    account.value = null;
    trouble.value = inWords(error);
  }
}

render(<Home />, document.getElementById('page') as HTMLElement);
void open();
