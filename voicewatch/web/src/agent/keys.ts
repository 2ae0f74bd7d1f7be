/** Single keys of the softphone; off while something is typed. */
import { keysAct } from '../lib/singleKeys';
import * as store from './store';

const WRITES = 'input:not([type="radio"]), textarea, select';

export function listenToKeys(): void {
  addEventListener('keydown', (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      target?.closest('form')?.requestSubmit();
      return;
    }
    if (!keysAct.value || event.repeat || event.ctrlKey || event.metaKey || event.altKey || target?.closest(WRITES)) return;
    const action = ACTIONS[store.stage.value.name]?.[event.key.toLowerCase()];
    if (!action) return;
    // Space on a button of the card is that button's own: on Decline it must not accept.
    if (event.key === ' ' && target?.closest('.ringcard button')) return;
    event.preventDefault();
    action();
  });
}

type Actions = Record<string, () => void>;

const ACTIONS: Partial<Record<string, Actions>> = {
  ringing: { ' ': () => void store.accept(), escape: () => void store.decline() },
  'on-call': {
    m: () => store.phone.mute(!store.phone.muted.value),
    b: () => void store.handBack(),
    h: () => document.querySelector<HTMLButtonElement>('[data-testid="hold"]')?.click(),
    k: () => document.querySelector<HTMLButtonElement>('[data-testid="keypad"]')?.click(),
    e: () => document.querySelector<HTMLButtonElement>('[data-testid="end-call"]')?.click(),
  },
};
