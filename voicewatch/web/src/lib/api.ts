/** Requests to the server this page came from; who is asking is said by the session cookie. */
import type { Account } from './types';

/** An answer that is not a success (RFC 9457). Status 0: the server could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** Seconds to wait before asking again, where the server said so. */
    readonly retryAfterS: number | null = null,
  ) {
    super(detail || title);
    this.name = 'Problem';
  }
}

export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await send(path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** As `fetch`, but whatever is not a success is thrown as a Problem. */
export async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init });
  } catch {
    throw new Problem(0, 'Not reached', 'The server does not answer. Nothing was changed.');
  }
  if (!response.ok) throw await problemIn(response);
  return response;
}

async function problemIn(response: Response): Promise<Problem> {
  const told = (await response.json().catch(() => ({}))) as { title?: unknown; detail?: unknown };
  const wait = Number(response.headers.get('retry-after') ?? NaN);
  return new Problem(
    response.status,
    typeof told.title === 'string' ? told.title : `Error ${response.status}`,
    typeof told.detail === 'string' ? told.detail : '',
    Number.isFinite(wait) ? wait : null,
  );
}

/** What went wrong, in words for a person. */
export function inWords(error: unknown): string {
  return error instanceof Problem ? error.message : 'Something failed on this page. Nothing was changed.';
}

/**
 * Signs in with the one-time code of a link, if there is one, and takes it out of the address.
 * Throws Problem if the code is not taken.
 */
export async function exchangeCode(): Promise<void> {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (!code) return;
  history.replaceState(history.state, '', location.pathname + location.search);
  await request('POST', '/api/session', { code });
  localStorage.setItem(SIGNED_IN, 'yes');
}

/** Set while this browser has a session: scripts cannot see its cookie, and need not ask where there is none. */
const SIGNED_IN = 'voicewatch.signed-in';

/** Who is signed in; null if nobody is. */
export async function session(): Promise<Account | null> {
  if (localStorage.getItem(SIGNED_IN) === null) return null;
  try {
    return await request<Account>('GET', '/api/session');
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
      localStorage.removeItem(SIGNED_IN);
      return null;
    }
    throw error;
  }
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/api/session');
  localStorage.removeItem(SIGNED_IN);
}

/** What a page does first: the code of the link, then who that makes you. */
export async function arrive(): Promise<Account | null> {
  await exchangeCode();
  return session();
}
