/** Single keys: off in text fields, with a modifier held, and where a dialog is open. */

import { keysAct } from '../lib/singleKeys';

export type Keys = Readonly<Record<string, () => void>>;

export const HELP: readonly [string, string][] = [
  ['↑ ↓', 'move through the calls'],
  ['Enter', 'open the call under the cursor'],
  ['1', 'monitor'],
  ['2', 'coach'],
  ['3', 'barge'],
  ['4', 'take over'],
  ['5', 'hand back to the AI'],
  ['0', 'leave the call'],
  ['N', 'write to the AI'],
  ['M', 'mute or open your microphone'],
  ['E', 'next evidence'],
  ['O', 'hold the order of the list'],
  ['?', 'these keys'],
];

export function listen(keys: Keys): () => void {
  const pressed = (event: KeyboardEvent): void => {
    if (!keysAct.value || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    // A focused button or link keeps its own Enter; only the list is opened by it.
    if (event.key === 'Enter' && isControl(event.target)) return;
    event.preventDefault();
    act();
  };
  document.addEventListener('keydown', pressed);
  return () => document.removeEventListener('keydown', pressed);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable], dialog[open]') !== null;
}

function isControl(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('button, a, summary') !== null;
}
