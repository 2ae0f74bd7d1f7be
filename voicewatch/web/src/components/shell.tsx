/** What every page of the staff has around it. */
import type { ComponentChildren } from 'preact';
import { initials } from '../lib/format';
import { theme, toggleTheme } from '../lib/theme';
import type { Account } from '../lib/types';
import { HalfDisc, Icon, type IconName } from './icons';

export function Brand() {
  return (
    <a class="brand" href="/">
      <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
        <path
          d="M1 10h3l2-6 3.5 13 3-10 1.8 3H19"
          fill="none"
          stroke="currentColor"
          stroke-width="2"
          stroke-linecap="round"
          stroke-linejoin="round"
        />
      </svg>
      VoiceWatch
    </a>
  );
}

export function ThemeButton() {
  const other = theme.value === 'dark' ? 'light' : 'dark';
  return (
    <button type="button" class="iconbtn" aria-label={`Change to ${other}`} title={`Change to ${other}`} onClick={toggleTheme}>
      <HalfDisc />
    </button>
  );
}

export function Me({ account }: { account: Pick<Account, 'name' | 'role'> }) {
  return (
    <div class="me">
      <span class="av av--me">{initials(account.name || account.role)}</span>
      <span class="hide-s me__name">
        <b>{account.name || account.role}</b>
        <span class="tiny muted">{account.role}</span>
      </span>
    </div>
  );
}

/** `children`: between the navigation and the right end, as the health of the system. */
export function Top({
  account,
  nav,
  current,
  children,
}: {
  account: Pick<Account, 'name' | 'role'> | null;
  nav?: readonly { href: string; label: string }[];
  current?: string;
  children?: ComponentChildren;
}) {
  return (
    <header class="top">
      <Brand />
      {nav && (
        <nav class="nav" aria-label="Main">
          {nav.map(({ href, label }) => (
            <a key={href} href={href} aria-current={href === current ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      )}
      <div class="spacer" />
      {children}
      <ThemeButton />
      {account && <Me account={account} />}
    </header>
  );
}

/** In the place of a page that cannot be shown: what is so, and where to go. */
export function Notice({ title, children, to = '/', toSays = 'To the start' }: { title: string; children: ComponentChildren; to?: string; toSays?: string }) {
  return (
    <main class="empty">
      <h1>{title}</h1>
      <p>{children}</p>
      <p><a class="btn" href={to}>{toSays}</a></p>
    </main>
  );
}

/** A line over the whole page: what is not so, and what is still true. */
export function Banner({
  kind,
  icon = 'warning',
  children,
}: {
  kind: 'warn' | 'bad';
  icon?: IconName;
  children: ComponentChildren;
}) {
  return (
    <div class={`note note--${kind}`} role="status">
      <Icon name={icon} />
      <span>{children}</span>
    </div>
  );
}
