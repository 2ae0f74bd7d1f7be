/** Light or dark: as the system says, or as chosen for this tab. */
import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const KEY = 'voicewatch.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal<Theme>(chosen() ?? ofSystem());

system.addEventListener('change', () => {
  if (chosen() === null) show(ofSystem());
});
show(theme.value);

export function toggleTheme(): void {
  const other = theme.value === 'dark' ? 'light' : 'dark';
  sessionStorage.setItem(KEY, other);
  show(other);
}

function show(wanted: Theme): void {
  theme.value = wanted;
  document.documentElement.dataset.theme = wanted;
}

function ofSystem(): Theme {
  return system.matches ? 'dark' : 'light';
}

function chosen(): Theme | null {
  const kept = sessionStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : null;
}
