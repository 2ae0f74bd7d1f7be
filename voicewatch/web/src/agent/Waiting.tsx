/** Calls that wait for a person, and customers to be called back: for an agent who has time. */
import { useEffect, useState } from 'preact/hooks';
import { SeverityMark } from '../components/marks';
import { Callbacks } from '../components/Callbacks';
import { request } from '../lib/api';
import { clock, spaced } from '../lib/format';
import type { QueueState, Waiting as Row } from '../lib/types';
import * as store from './store';

const LOOK_AGAIN_MS = 4_000;

export function Waiting() {
  const [rows, setRows] = useState<Row[]>([]);
  const mayTake = store.stage.value.name === 'available';
  useEffect(() => {
    const look = (): void => {
      if (document.hidden || store.feed.status.value !== 'live') return;
      request<QueueState>('GET', '/api/queue').then(
        (told) => setRows(told.waiting),
        () => undefined, // the page says already that it is not connected
      );
    };
    look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <section class="sec" aria-label="Waiting for a person">
        <h2>
          Waiting for a person <span class="spacer" />
          <span class="num">{rows.length}</span>
        </h2>
        {rows.length === 0 && <p class="muted">Nobody waits.</p>}
        {rows.map((row) => (
          <article key={row.call_id} class="alert alert--s" data-testid="waiting">
            <SeverityMark severity={row.severity} />
            <b>{row.headline}</b>
            <span class="num">{clock(row.waiting_ms)}</span>
            <div class="acts">
              <span class="small soft">{about(row)}</span>
              {mayTake && (
                <button type="button" class="btn btn--s" data-testid="claim" onClick={() => void store.claim(row.call_id)}>
                  Take it
                </button>
              )}
            </div>
          </article>
        ))}
      </section>
      <Callbacks />
    </>
  );
}

function about(row: Row): string {
  const parts = [row.queue && `Queue ${spaced(row.queue)}`, row.tier && `${row.tier} customer`, row.language];
  const rings = row.ringing_at.length ? `rings at ${row.ringing_at.join(', ')}` : '';
  return [...parts, rings].filter(Boolean).join(', ') || 'No queue';
}
