/** How a page of the staff begins: who is there, then the page, or why it is not shown. */
import { render, type VNode } from 'preact';
import { arrive, inWords, Problem } from '../lib/api';
import type { Account } from '../lib/types';
import { Notice } from './shell';

interface Unshown {
  title: string;
  to?: string;
  toSays?: string;
}

/** `show` gives the page; a Problem that it throws is told in the page's place. */
export async function enter(unshown: Unshown, show: (account: Account) => Promise<VNode> | VNode): Promise<void> {
  const root = document.getElementById('app');
  if (!root) return;
  try {
    const account = await arrive();
    if (!account) throw new Problem(401, 'Not signed in', 'You are not signed in. Open the link you were given; it works once.');
    render(await show(account), root);
  } catch (error) {
    render(<Notice {...unshown}>{inWords(error)}</Notice>, root);
  }
}
