/** The transcript: what was said and how sure that is, alerts under the words that caused them, holes as holes. */
import './lines.css';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { clock, count, mood, percent, spaced } from '../lib/format';
import type { Alert, CallView, Evidence, Interim, Seat, Utterance } from '../lib/types';
import { Icon } from './icons';
import { lines, pieces, type Line, type Note } from './lines';
import { SeverityMark } from './marks';
import { gapSays, SPEAKER } from './say';

interface Props {
  view: CallView;
  utterances: readonly Utterance[];
  interims?: readonly Interim[];
  notes?: readonly Note[];
  /** The seat of whoever reads: his own words are "You". */
  mine?: Seat | undefined;
  /** Who was in which seat, beside those who are in the call now. */
  names?: ReadonlyMap<string, string>;
  /** What else belongs to an utterance, shown under it. */
  beneath?: (utterance: Utterance) => ComponentChildren;
  /** Follows the newest line, unless the reader has scrolled up. */
  follows?: boolean;
}

/** Nearer to the end than this counts as being at it. */
const AT_END_PX = 40;

export function Lines({ view, utterances, interims = [], notes = [], mine, names, beneath, follows = false }: Props) {
  // Whoever has left keeps his name over what he said.
  const known = useRef(new Map(names));
  for (const seat of view.seats) if (seat.name) known.current.set(seat.seat_id, seat.name);
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  const [read, setRead] = useState<number | null>(null);
  const all = lines(view, utterances, notes);
  const isReported = utterances.some((one) => one.source === 'reported');
  const evidence = view.alerts.flatMap((alert) => alert.evidence);
  const show = () => {
    const element = list.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  useEffect(() => {
    atEnd.current = true;
    setRead(null);
  }, [view.call_id]);
  useLayoutEffect(() => {
    if (follows && atEnd.current) show();
  });
  const scrolled = () => {
    const element = list.current;
    if (!element || !follows) return;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
    if (isAtEnd === atEnd.current) return;
    atEnd.current = isAtEnd;
    setRead(isAtEnd ? null : utterances.length);
  };
  const unread = read === null ? 0 : utterances.length - read;
  return (
    <div class="talk__lines">
      <div class="lines-h" aria-hidden="true">
        <span>time</span>
        <span><span>−5</span><span>+5</span></span>
        <span class="clip">{`solid: mood of the customer, hatched: doubt${isReported ? '. The AI’s words are its own text' : ''}`}</span>
      </div>
      <ol class="lines" ref={list} data-testid="transcript" aria-live={follows ? 'polite' : 'off'} aria-label="Transcript" tabIndex={0} onScroll={scrolled}>
        {all.map((line) => (
          <OneLine key={line.key} line={line} evidence={evidence} names={known.current} mine={mine} beneath={beneath} />
        ))}
        {[...interims].sort((a, b) => a.start_ms - b.start_ms).map((interim) => (
          <Live key={interim.seat_id} interim={interim} isMine={interim.seat_id === mine?.seat_id} />
        ))}
        {all.length === 0 && interims.length === 0 && <li class="lines__none muted">Nothing was said yet.</li>}
      </ol>
      {read !== null && (
        <button type="button" class="btn btn--s newest" onClick={show}>
          <Icon name="down" size="s" />
          {unread > 0 ? count(unread, 'new line') : 'To the newest'}
        </button>
      )}
    </div>
  );
}

interface OneLineProps {
  line: Line;
  evidence: Evidence[];
  names: ReadonlyMap<string, string>;
  mine: Seat | undefined;
  beneath: Props['beneath'];
}

function OneLine({ line, evidence, names, mine, beneath }: OneLineProps) {
  switch (line.kind) {
    case 'utterance':
      return (
        <Said utterance={line.utterance} evidence={evidence} who={nameOf(names, line.utterance, mine)}>
          {beneath?.(line.utterance)}
        </Said>
      );
    case 'alert':
      return <Flag alert={line.alert} />;
    case 'gap':
      return (
        <li class="gap">
          <b>{`${clock(line.gap.start_ms)}, ${Math.max(1, Math.round((line.gap.end_ms - line.gap.start_ms) / 1000))} s not transcribed.`}</b>{' '}
          {gapSays(line.gap.reason)}
        </li>
      );
    case 'note':
      return (
        <li class={line.note.human ? 'flag flag--human' : 'flag flag--plain'}>
          <span class="num muted">{clock(line.note.at_ms)}</span>
          <span>{line.note.text}</span>
        </li>
      );
  }
}

const LOOK = { customer: 'customer', ai: 'ai', agent: 'human', supervisor: 'human' } as const;

function Said({ utterance, evidence, who, children }: { utterance: Utterance; evidence: Evidence[]; who: string; children?: ComponentChildren }) {
  return (
    <Row look={LOOK[utterance.role]} role={utterance.role} at_ms={utterance.start_ms} spine={<Spine utterance={utterance} />}>
      <span class="line__who">{who}</span>
      <span lang={utterance.language} dir="auto">
        {pieces(utterance, evidence).map((piece, place) => {
          const text = piece.masked ? (
            <span class="pii">{piece.text.slice(1, -1)}</span>
          ) : piece.probability !== null ? (
            <span class="w" title={`${percent(piece.probability)} sure of this word`}>{piece.text}</span>
          ) : (
            piece.text
          );
          return piece.evidence ? <mark key={place}>{text}</mark> : <span key={place}>{text}</span>;
        })}
      </span>
      {utterance.suspect && <span class="line__note" title="The recogniser may have made this up; it cannot call a person alone"> may be misheard</span>}
      {children}
    </Row>
  );
}

function Live({ interim, isMine }: { interim: Interim; isMine: boolean }) {
  return (
    <Row look={LOOK[interim.role]} role={interim.role} at_ms={interim.start_ms} isLive>
      <span class="line__who">{isMine ? 'You' : SPEAKER[interim.role]}, speaking now</span>
      <span dir="auto">
        {interim.committed}
        {interim.committed && interim.tail && ' '}
        <span class="interim">{interim.tail}</span>
      </span>
    </Row>
  );
}

interface RowProps {
  look: string;
  role: string;
  at_ms: number;
  isLive?: boolean;
  spine?: ComponentChildren;
  children: ComponentChildren;
}

function Row({ look, role, at_ms, isLive = false, spine, children }: RowProps) {
  return (
    <li class={`line line--${look}${isLive ? ' line--live' : ''}`} data-testid={isLive ? 'interim' : 'utterance'} data-role={role} aria-hidden={isLive || undefined}>
      <time>{clock(at_ms)}</time>
      <span class="spine">{spine}</span>
      <div class="line__t">{children}</div>
    </li>
  );
}

/** Mood of a customer's line, doubt of the AI's; widths in px of a half of 42. */
function Spine({ utterance }: { utterance: Utterance }) {
  const { sentiment, uncertainty } = utterance;
  if (utterance.role === 'customer' && sentiment) {
    const width = Math.max(2, (Math.abs(sentiment.score) / 5) * 42);
    const isNegative = sentiment.score < 0;
    return (
      <>
        {sentiment.score !== 0 && <i class={isNegative ? 'n' : 'p'} style={{ width: `${width}px` }} />}
        <em style={isNegative ? { left: '50px' } : { right: '50px' }}>{mood(sentiment.score)}</em>
      </>
    );
  }
  if (utterance.role === 'ai' && uncertainty && uncertainty.score >= 0.2) {
    return (
      <>
        <i class="d" style={{ width: `${Math.max(3, uncertainty.score * 42)}px` }} />
        <em style={{ right: '50px' }}>{percent(uncertainty.score)}</em>
      </>
    );
  }
  return null;
}

function Flag({ alert }: { alert: Alert }) {
  return (
    <li class={`flag flag--${alert.severity}${alert.state === 'open' ? '' : ' flag--settled'}`} id={`flag-${alert.alert_id}`} data-evidence={alert.alert_id} tabIndex={-1}>
      <SeverityMark severity={alert.severity} />
      <span>
        <b>{alert.headline}</b>
        {alert.state !== 'open' && ` · ${alert.state === 'cleared' ? 'settled' : 'dismissed'}`}
        <br />
        <span class="soft">
          {quotes(alert)}
          {`Rule: ${spaced(alert.rule).toLowerCase()}`}
        </span>
      </span>
    </li>
  );
}

function quotes(alert: Alert): string {
  const said = [...new Set(alert.evidence.map((one) => one.quote).filter(Boolean))].slice(-3);
  return said.length ? `${said.map((quote) => `“${quote}”`).join(', ')}. ` : '';
}

function nameOf(names: ReadonlyMap<string, string>, { role, seat_id }: Utterance, mine: Seat | undefined): string {
  if (mine && seat_id === mine.seat_id) return 'You';
  const isStaff = role === 'agent' || role === 'supervisor';
  return (isStaff && names.get(seat_id)) || SPEAKER[role];
}

/** Puts the place of an alert in the middle of the transcript, with the focus on it. */
export function showEvidence(alertId: string): void {
  const flag = document.getElementById(`flag-${alertId}`);
  flag?.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  flag?.focus({ preventScroll: true });
}
