/** Customers who are to be called back, and what became of it. */
import { useEffect, useState } from 'preact/hooks';
import { inWords, request } from '../lib/api';
import type { CallbackRow } from '../lib/types';

const LOOK_AGAIN_MS = 10_000;
const OUTCOMES = [
  ['reached', 'Reached'],
  ['not_reached', 'Not reached'],
  ['withdrawn', 'Not wanted any more'],
] as const;

export function Callbacks() {
  const [rows, setRows] = useState<CallbackRow[]>([]);
  const [trouble, setTrouble] = useState('');
  const look = (): void => {
    if (document.hidden) return;
    request<{ callbacks: CallbackRow[] }>('GET', '/api/callbacks').then(
      (told) => setRows(told.callbacks),
      () => undefined, // looked for again soon
    );
  };
  useEffect(() => {
    look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const close = async (callId: string, outcome: string): Promise<void> => {
    setTrouble('');
    try {
      await request('POST', `/api/callbacks/${callId}`, { outcome });
    } catch (error) {
      setTrouble(inWords(error));
    }
    look();
  };
  if (rows.length === 0) return null;
  return (
    <section class="sec" aria-label="To be called back">
      <h2>
        To be called back <span class="spacer" />
        <span class="num">{rows.length}</span>
      </h2>
      {rows.map((row) => (
        <article key={row.call_id} class="alert alert--s" data-testid="callback">
          <b>
            {row.label} {row.title}
          </b>
          <p class="small soft">
            {[row.callback.number || 'the number they called from', row.callback.when, row.callback.note]
              .filter(Boolean)
              .join(', ')}
          </p>
          <div class="acts">
            {OUTCOMES.map(([outcome, words]) => (
              <button key={outcome} type="button" class="link" onClick={() => void close(row.call_id, outcome)}>
                {words}
              </button>
            ))}
          </div>
        </article>
      ))}
      {trouble && <p class="is-bad small" role="alert">{trouble}</p>}
    </section>
  );
}
