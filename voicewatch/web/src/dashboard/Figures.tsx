/** How the house does, over the last days, and the calls drawn for somebody to look at. */
import { useEffect, useState } from 'preact/hooks';
import { Callbacks } from '../components/Callbacks';
import { request } from '../lib/api';
import { count, mood, percent } from '../lib/format';
import type { Insights } from '../lib/types';

const LOOK_AGAIN_MS = 30_000;
const DAYS = 7;

interface Drawn {
  call_id: string;
  label: string;
  title: string;
  stratum: string;
}

export function Figures() {
  const [figures, setFigures] = useState<Insights | null>(null);
  const [drawn, setDrawn] = useState<Drawn[]>([]);
  useEffect(() => {
    const look = (): void => {
      if (document.hidden) return;
      Promise.all([
        request<Insights>('GET', `/api/insights?days=${DAYS}`),
        request<{ calls: Drawn[] }>('GET', '/api/review'),
      ]).then(
        ([told, review]) => {
          setFigures(told);
          setDrawn(review.calls);
        },
        () => undefined, // looked for again soon
      );
    };
    look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      {figures && figures.monitored > 0 && (
        <section aria-label={`The last ${DAYS} days`} data-testid="figures">
          <h2>
            Last {DAYS} days <span class="muted">{count(figures.monitored, 'call')}</span>
          </h2>
          <dl class="figures num">
            <Figure name="Stayed with the AI" value={share(figures.containment_rate)} />
            <Figure name="Called a person" value={`${figures.escalated}, ${figures.dropped} unanswered`} />
            <Figure name="To the human’s voice" value={figures.time_to_voice_s ? `${figures.time_to_voice_s.p50.toFixed(1)} s` : '–'} />
            <Figure name="Right when it called" value={judged(figures.escalation_precision, figures.judged)} />
            <Figure name="Nothing asked twice" value={share(figures.context_retention_rate)} />
            <Figure name="Mood with AI, human" value={moods(figures)} />
          </dl>
        </section>
      )}
      {drawn.length > 0 && (
        <section aria-label="To be looked at" data-testid="review">
          <h2>
            To be looked at <span class="muted">drawn at random, by risk</span>
          </h2>
          <ul class="agents">
            {drawn.slice(0, 8).map((call) => (
              <li key={call.call_id} class="ppl">
                <a class="clip" href={`/calls/${call.call_id}`}>
                  {call.label} {call.title}
                </a>
                <span class="spacer" />
                <span class="soft small">{call.stratum}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <Callbacks />
    </>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function share(value: number | null): string {
  return value === null ? '–' : percent(value);
}

function judged(value: number | null, count: number): string {
  return value === null ? 'nobody said yet' : `${percent(value)} of ${count} judged`;
}

function moods({ sentiment }: Insights): string {
  const one = (value: number | null): string => (value === null ? '–' : mood(value));
  return `${one(sentiment.with_ai)}, ${one(sentiment.with_human)}`;
}
