/** A call that rings: what it is about, seconds left, Accept. */
import { BriefingCard } from '../components/BriefingCard';
import { Countdown } from '../components/Countdown';
import { Icon } from '../components/icons';
import { DoubtFigure, MoodFigure } from '../components/marks';
import { callClock, type LiveCall } from '../lib/fold';
import { clock, languageName, spaced } from '../lib/format';
import { now_ms } from '../lib/now';
import type { Offer as OfferMade, Severity } from '../lib/types';
import * as store from './store';

const CHIPS: Record<Severity, string> = {
  critical: 'chip chip--crit',
  high: 'chip chip--high',
  watch: 'chip chip--watch',
  calm: 'chip',
};

export function Offer({ call, offer }: { call: LiveCall; offer: OfferMade }) {
  const { view } = call;
  const at_ms = callClock(call, now_ms.value);
  const severity = view.escalation?.severity ?? 'watch';
  const reason = view.escalation?.headline || 'A person is needed';
  const hasTitle = view.title !== 'Call';
  return (
    <div class="card ringcard" role="alertdialog" aria-label="A call for you" data-testid="offer">
      <header class="ringcard__h">
        <div>
          <p class="soft ringcard__from">
            <span class={CHIPS[severity]}>{hasTitle ? reason : spaced(severity)}</span>
            <b>{view.label}</b>
            {aboutCustomer(call)}
          </p>
          <h1 class="big">{hasTitle ? view.title : reason}</h1>
        </div>
        <Countdown left_ms={offer.expires_at_ms - at_ms} of_ms={offer.expires_at_ms - offer.at_ms} />
      </header>
      <div class="ringcard__b">
        {view.briefing ? <BriefingCard briefing={view.briefing} large /> : <p class="soft">The briefing is being written.</p>}
        <RightNow call={call} />
        <p class="ringcard__figures small">
          <MoodFigure sentiment={view.sentiment} trend />
          <DoubtFigure uncertainty={view.uncertainty} />
          <span class="soft">{clock(at_ms)} on the line</span>
        </p>
      </div>
      <footer class="ringcard__a">
        <button type="button" class="btn btn--go btn--l" data-testid="offer-accept" onClick={() => void store.accept()}>
          <Icon name="phone" />
          Accept <kbd>Space</kbd>
        </button>
        <button type="button" class="btn btn--l" data-testid="offer-decline" onClick={() => void store.decline()}>
          Decline <kbd>Esc</kbd>
        </button>
        <p class="small muted">
          The AI stays with the customer until you are heard. Nobody is put on hold. If you decline, the next free agent
          is asked.
        </p>
      </footer>
    </div>
  );
}

function RightNow({ call }: { call: LiveCall }) {
  const speaking = [...call.interims.values()].find((one) => one.role === 'customer');
  const last = call.utterances.findLast((one) => one.role === 'customer');
  if (!speaking && !last) return null;
  return (
    <p class="said">
      <b class="spk">{speaking ? 'Customer, right now' : 'Customer, last'}</b>{' '}
      {speaking ? (
        <>
          {speaking.committed} <span class="interim">{speaking.tail}</span>
        </>
      ) : (
        last?.text
      )}
    </p>
  );
}

/** "Gold, English, Refund": what the call says of itself. */
export function aboutCustomer(call: LiveCall): string {
  const { tier, language, topic } = call.view.attributes;
  return [tier, language && languageName(language), topic]
    .filter((one) => one !== undefined)
    .map(spaced)
    .join(', ');
}
