/** Time for clocks on the page: performance.now(), a few times a second. */
import { signal } from '@preact/signals';

const EVERY_MS = 250;

export const now_ms = signal(performance.now());

setInterval(() => {
  now_ms.value = performance.now();
}, EVERY_MS);
