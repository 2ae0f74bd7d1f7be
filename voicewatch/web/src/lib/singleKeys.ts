/** Whether single keys act, for everybody who types by voice or whose hands press by accident (WCAG 2.1.4). */
import { signal } from '@preact/signals';

const KEPT = 'voicewatch.single-keys';

export const keysAct = signal(localStorage.getItem(KEPT) !== 'off');

export function letKeysAct(act: boolean): void {
  keysAct.value = act;
  if (act) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, 'off');
}
