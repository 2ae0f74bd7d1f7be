/** The call: who hears the agent, what is said, and what he can do. */
import { useMemo, useState } from 'preact/hooks';
import { Icon, type IconName } from '../components/icons';
import { Lines } from '../components/Lines';
import { MoodFigure } from '../components/marks';
import { callClock, type LiveCall } from '../lib/fold';
import { clock } from '../lib/format';
import { now_ms } from '../lib/now';
import type { CallView, Seat } from '../lib/types';
import { hearsSentence, seatName } from '../lib/words';
import { aboutCustomer } from './Offer';
import * as store from './store';

export function OnCall({ call, seat }: { call: LiveCall; seat: Seat | undefined }) {
  const { view } = call;
  const about = aboutCustomer(call);
  // Levels change a call many times a second; its lines do not.
  const lines = useMemo(
    () => <Lines view={view} utterances={call.utterances} interims={[...call.interims.values()]} mine={seat} follows />,
    [view, call.utterances, call.interims],
  );
  return (
    <div class="oncall">
      <header class="call-h">
        <h1>
          <span>
            {view.label} &nbsp;{view.title}
          </span>
          <span class="spacer" />
          <MoodFigure sentiment={view.sentiment} trend />
        </h1>
        <div class="facts">
          <Clocks call={call} />
          {about && <span>{about}</span>}
          <span>{store.phone.state.value === 'weak' ? 'Weak line, being connected again' : 'Good line'}</span>
        </div>
      </header>
      {seat && <Coach call={call} seat={seat} />}
      <div class="strip" role="status">
        <Icon name="ear" />
        <b data-testid="hears">{seat ? whoHears(view, seat) : 'Connecting. The AI still speaks.'}</b>
        {store.phone.muted.value && <span class="chip chip--ink">You are muted</span>}
        {view.on_hold && <span class="chip chip--ink">On hold</span>}
        {view.recording === 'paused' && <span class="chip chip--ink">Recording is paused</span>}
      </div>
      {lines}
      <Nudge />
      <Keys view={view} />
    </div>
  );
}

function whoHears(view: CallView, seat: Seat): string {
  if (!seat.kept_until_ms) return hearsSentence(view, seat.seat_id);
  const covered = view.voice === 'nobody' ? 'Nobody hears you.' : `${view.voice === 'ai' ? 'The AI' : view.voice_name} speaks meanwhile.`;
  return `Your line is lost, and being connected again. ${covered} Your seat is kept to ${clock(seat.kept_until_ms)}.`;
}

function Clocks({ call }: { call: LiveCall }) {
  return (
    <>
      <b class="num">{clock(callClock(call, now_ms.value))}</b>
      <span>with you {clock(now_ms.value - store.since_ms.value)}</span>
    </>
  );
}

function Coach({ call, seat }: { call: LiveCall; seat: Seat }) {
  const heard = call.view.hears[seat.seat_id] ?? [];
  const coach = call.view.seats.find((one) => one.mode === 'coach' && heard.includes(one.seat_id));
  if (!coach) return null;
  return (
    <div class="coachline" role="status">
      <Icon name="coach" />
      <b>Only you hear {seatName(coach)}.</b>
      <span>The customer does not.</span>
    </div>
  );
}

/** A line of text that only the AI reads. */
function Nudge() {
  const [text, setText] = useState('');
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (text.trim() && (await store.nudge(text))) setText('');
  };
  return (
    <form class="composer" onSubmit={(event) => void send(event)}>
      <input
        class="field"
        data-testid="nudge"
        aria-label="Tell the AI something; nobody hears it"
        placeholder="Tell the AI something; nobody hears it"
        maxLength={1000}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="btn" disabled={!text.trim()}>
        <Icon name="send" />
        Send
      </button>
    </form>
  );
}

function Keys({ view }: { view: CallView }) {
  const isMuted = store.phone.muted.value;
  const [dials, setDials] = useState(false);
  const [isSure, setSure] = useState(false);
  const end = (): void => {
    if (isSure) void store.endCall();
    else {
      setSure(true);
      setTimeout(() => setSure(false), 3_000);
    }
  };
  return (
    <>
    {dials && <Keypad />}
    <div class="keys" role="group" aria-label="Call controls">
      <Key icon={isMuted ? 'muted' : 'microphone'} id="mute" letter="M" isPressed={isMuted} onPress={() => store.phone.mute(!isMuted)}>
        {isMuted ? 'Unmute' : 'Mute'}
      </Key>
      <Key icon="pause" id="hold" letter="H" isPressed={view.on_hold} onPress={() => void store.hold(!view.on_hold)}>
        {view.on_hold ? 'Take off hold' : 'Hold'}
      </Key>
      <Key icon="keypad" id="keypad" letter="K" isPressed={dials} onPress={() => setDials(!dials)}>
        Keypad
      </Key>
      {view.recording !== 'off' && (
        <Key icon="record" id="record" isPressed={view.recording === 'paused'} onPress={() => void store.record(view.recording === 'paused')}>
          {view.recording === 'paused' ? 'Record again' : 'Pause recording'}
        </Key>
      )}
      <Key icon="back" id="hand-back" letter="B" onPress={() => void store.handBack()}>
        Hand back to the AI
      </Key>
      <Key icon="end" id="end-call" letter="E" look="keyb--end" onPress={end}>
        {isSure ? 'Press again to end' : 'End'}
      </Key>
    </div>
    </>
  );
}

const DIGITS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

/** The keys of a telephone; what is pressed is heard as tones and kept sealed. */
function Keypad() {
  return (
    <div class="keypad" role="group" aria-label="Telephone keys" data-testid="keypad-keys">
      {DIGITS.map((digit) => (
        <button key={digit} type="button" class="btn num" onClick={() => void store.dial(digit)}>
          {digit}
        </button>
      ))}
    </div>
  );
}

interface KeyProps {
  icon: IconName;
  id: string;
  letter?: string;
  look?: string;
  isPressed?: boolean;
  onPress: () => void;
  children: string;
}

function Key({ icon, id, letter, look = '', isPressed, onPress, children }: KeyProps) {
  return (
    <button type="button" class={`keyb ${look}`} data-testid={id} aria-pressed={isPressed} onClick={onPress}>
      <Icon name={icon} />
      <span>
        {children} {letter && <kbd>{letter}</kbd>}
      </span>
    </button>
  );
}
