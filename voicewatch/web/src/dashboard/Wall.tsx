/** The calls, most troubled first; room follows trouble. */
import { useEffect, useRef } from 'preact/hooks';
import { clock } from '../lib/format';
import type { LiveCall } from '../lib/fold';
import { languageOf, offerSays, SPEAKER } from '../components/say';
import { Icon } from '../components/icons';
import { DoubtFigure, SeverityMark, MoodFigure, VoiceChip } from '../components/marks';
import { groupOf, GROUPS, type Group } from './order';
import { Spark } from './Spark';
import * as store from './store';

export function Wall() {
  const { shown, calls, isHeld, pinned, waiting, wanted } = store;
  return (
    <section class="pane wall" aria-label="Calls">
      <div class="bar">
        <div class="search">
          <Icon name="search" />
          <input
            class="field"
            type="search"
            aria-label="Find a call"
            placeholder="Find a call, word or person"
            value={wanted.value}
            onInput={(event) => {
              wanted.value = event.currentTarget.value;
            }}
          />
        </div>
        <button
          type="button"
          class="btn btn--s"
          aria-pressed={pinned.value}
          title="Rows do not move while you point at the list"
          onClick={() => {
            pinned.value = !pinned.value;
          }}
        >
          <Icon name="pin" size="s" />
          {isHeld.value ? 'Order held' : 'Hold order'}
          {waiting.value > 0 && <span class="num">{waiting.value} would move</span>}
        </button>
      </div>
      <div
        class="rows"
        onPointerEnter={(event) => {
          store.pointed.value = event.pointerType !== 'touch';
        }}
        onPointerLeave={() => {
          store.pointed.value = false;
        }}
        onFocusIn={() => {
          store.focused.value = true;
        }}
        onFocusOut={() => {
          store.focused.value = false;
        }}
      >
        {calls.value.length === 0 ? (
          <Nothing />
        ) : (
          <ul role="listbox" aria-label="Calls, most troubled first">
            {GROUPS.map(({ group, title }) => (
              <Band key={group} group={group} title={title} ids={shown.value[group]} />
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function Nothing() {
  return (
    <div class="empty">
      <h2>No calls</h2>
      <p>{store.isLive.value ? 'The next call appears here when it begins.' : 'Waiting for the server.'}</p>
    </div>
  );
}

function Band({ group, title, ids }: { group: Group; title: string; ids: string[] }) {
  const known = store.feed.calls.value;
  if (ids.length === 0) return null;
  // While the order is held a row may stand where it no longer belongs: it is not counted there.
  const belong = ids.filter((id) => {
    const call = known.get(id);
    return call && groupOf(call.view) === group;
  });
  return (
    <>
      <li class="band" role="presentation">
        <b>{title}</b>
        <span class="num">{belong.length}</span>
        {group === 'now' && (
          <>
            <span class="spacer" />
            <span class="tiny">mood above, uncertainty below, last 2 min</span>
          </>
        )}
      </li>
      {ids.map((id) => {
        const call = known.get(id);
        return call && <Row key={id} call={call} isSelected={store.current.value?.view.call_id === id} />;
      })}
    </>
  );
}

function Row({ call, isSelected }: { call: LiveCall; isSelected: boolean }) {
  const { view } = call;
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (!isSelected) return;
    row.current?.scrollIntoView({ block: 'nearest' });
    // The one tab stop of the list goes with the selection.
    if (row.current?.parentElement?.contains(document.activeElement)) row.current.focus();
  }, [isSelected]);
  const isLive = view.state === 'live';
  const isCalm = !isLive || view.severity === 'calm';
  const size = isCalm ? 'calm' : view.severity === 'watch' ? 'watch' : 'urgent';
  return (
    <li
      ref={row}
      class={`row row--${size}${isLive ? '' : ' row--over'}`}
      role="option"
      data-testid="call-row"
      data-call-id={view.call_id}
      data-severity={view.severity}
      aria-selected={isSelected}
      tabIndex={isSelected ? 0 : -1}
      onClick={() => store.open(view.call_id)}
    >
      <SeverityMark severity={isLive ? view.severity : 'calm'} />
      {isCalm ? <CalmRow call={call} /> : <TroubledRow call={call} />}
    </li>
  );
}

function CalmRow({ call }: { call: LiveCall }) {
  const { view } = call;
  return (
    <>
      <div class="row__top">
        <b>{view.label}</b>
        <span class="soft clip">{view.title}</span>
      </div>
      <div class="row__meta">
        <MoodFigure sentiment={view.sentiment} />
        <VoiceChip view={view} isMine={isMine(call)} />
        <span class="hide-s">{languageOf(view, call.utterances)}</span>
        <time>{clock(store.elapsed(call))}</time>
      </div>
      {view.state === 'live' && <LastWords call={call} />}
    </>
  );
}

function TroubledRow({ call }: { call: LiveCall }) {
  const { view } = call;
  return (
    <>
      <div>
        <div class="row__top">
          <b>{view.label}</b>
          <span class="soft clip">{view.title}</span>
        </div>
        <p class="row__why">{view.headline}</p>
        <LastWords call={call} />
      </div>
      <div>
        <div class="row__meta">
          <VoiceChip view={view} isMine={isMine(call)} />
          <span>{languageOf(view, call.utterances)}</span>
          <time>{clock(store.elapsed(call))}</time>
        </div>
        <div class="row__trend">
          <Spark view={view} now_ms={store.elapsed(call)} />
          <span>
            <MoodFigure sentiment={view.sentiment} />
            <DoubtFigure uncertainty={view.uncertainty} />
          </span>
        </div>
        <div class="row__act num">{offerSays(view, store.elapsed(call), store.isLive.value)}</div>
      </div>
    </>
  );
}

/** The newest words: cut at the start, with what is being said now in grey. */
function LastWords({ call }: { call: LiveCall }) {
  const newest = [...call.interims.values()].sort((a, b) => b.start_ms - a.start_ms)[0];
  const said = call.view.last;
  const role = newest?.role ?? said?.role;
  if (!role) return null;
  const kind = role === 'ai' ? ' spk--ai' : role === 'customer' ? '' : ' spk--human';
  return (
    <p class="row__last">
      <span class={`spk${kind}`}>{SPEAKER[role]}</span>
      <span class="tail">
        <bdi>
          {newest ? newest.committed : said?.text}
          {newest && <span class="interim">{newest.committed && ' '}{newest.tail}</span>}
        </bdi>
      </span>
    </p>
  );
}

function isMine(call: LiveCall): boolean {
  return call.view.voice === 'supervisor' && ['barge', 'takeover'].includes(store.mySeat(call)?.mode ?? '');
}
