import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

const PAGES = ['index', 'call', 'agent', 'dashboard', 'replay', 'rules'];

export default defineConfig({
  root: import.meta.dirname,
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the content policy of the server allows no data: scripts or fonts
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: Object.fromEntries(
        PAGES.map((name) => [name, resolve(import.meta.dirname, `${name}.html`)] as const).filter(
          ([, file]) => existsSync(file),
        ),
      ),
    },
  },
});
