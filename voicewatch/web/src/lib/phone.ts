/** One seat's audio: microphone and ear over WebRTC (WHIP, RFC 9725), re-attached by itself when it breaks. */
import { type Signal, signal } from '@preact/signals';
import { inWords, Problem, send } from './api';

export type PhoneState =
  | 'idle'
  | 'asking'
  | 'connecting'
  | 'connected'
  | 'weak'
  | 'ended'
  | 'refused'
  | 'failed';

const GATHER_MS = 1_000;
const CONNECT_MS = 6_000;
const LOOK_EVERY_MS = 250;
/** Without a packet for so long the line is weak, and then given up. */
const WEAK_MS = 700;
const DEAD_MS = 1_500;
/** A line of which at least this share of packets is lost, over the last seconds, is weak. */
const WEAK_LOSS = 0.1;
const LOSS_OVER_LOOKS = 12;
const CLOSED_WAIT_MS = 500;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
/** A call that never connected is given up after so many tries; one that did goes on until the server ends it. */
const FIRST_TRIES = 8;
/** The seat is gone: nothing that is tried again would help. */
const OVER = [403, 404, 409, 410];
const METER_EVERY_MS = 80;
const METER_FLOOR_DB = -60;
const METER_TOP_DB = -12;

interface Line {
  connection: RTCPeerConnection;
  sender: RTCRtpSender | null;
  /** Where the server keeps the leg; empty until it answered. */
  leg: string;
}

export class Phone {
  readonly state: Signal<PhoneState> = signal('idle');
  readonly muted: Signal<boolean> = signal(false);
  /** Of the microphone, 0..1; 0 while it is closed. */
  readonly level: Signal<number> = signal(0);
  /** Why it is refused or failed, for a person. */
  readonly problem: Signal<string> = signal('');

  #token = '';
  #microphone: MediaStream | null = null;
  /** What is sent by who only listens: a seat without packets counts as lost. */
  #silence: Silence | null = null;
  #microphoneOn = true;
  #line: Line | null = null;
  #speaker: HTMLAudioElement | null = null;
  #meter: Meter | null = null;
  #hasConnected = false;
  #failures = 0;
  /** Goes up with every attach and hang-up, so that what an earlier one still awaits is dropped. */
  #round = 0;
  #again: ReturnType<typeof setTimeout> | undefined;

  /**
   * Takes the seat that the token opens. Ends in connected, refused (no microphone), failed or ended.
   * With `microphone` false it is not even asked for, until `setMicrophone(true)`. A function for the token
   * is called once the microphone is open; what it throws makes the phone failed.
   */
  async start(seatToken: string | (() => Promise<string>), microphone = true): Promise<void> {
    this.#close();
    this.#microphoneOn = microphone;
    this.#hasConnected = false;
    this.#failures = 0;
    this.problem.value = '';
    this.muted.value = false;
    this.state.value = 'asking';
    const round = this.#round;
    if (microphone) {
      const refusal = await this.#openMicrophone();
      if (round !== this.#round) return;
      if (refusal) {
        this.problem.value = refusal;
        this.#end('refused');
        return;
      }
    } else {
      this.#silence = new Silence();
    }
    addEventListener('online', this.#networkBack);
    this.state.value = 'connecting';
    try {
      this.#token = typeof seatToken === 'string' ? seatToken : await seatToken();
    } catch (error) {
      this.problem.value = inWords(error);
      if (round === this.#round) this.#end('failed');
      return;
    }
    if (round !== this.#round) return;
    await this.#attach();
  }

  mute(on: boolean): void {
    this.muted.value = on;
    this.#applyMute();
  }

  /** False for who only listens: whatever `muted` says, nothing is sent but silence. */
  setMicrophone(on: boolean): void {
    this.#microphoneOn = on;
    if (on && this.#silence && this.#line) void this.#openLate();
    this.#applyMute();
  }

  /** Leaves the seat; the customer's own ends the call. */
  async hangUp(): Promise<void> {
    const { leg = '' } = this.#line ?? {};
    const token = this.#token;
    this.#end('ended');
    if (!leg) return;
    try {
      await send(leg, { method: 'DELETE', headers: { authorization: `Bearer ${token}` }, keepalive: true });
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // gone already: that is what was wanted
    }
  }

  /** The seat was closed or the call ended, as the feed says: nothing is left to tell the server. */
  stop(): void {
    if (this.state.value !== 'idle') this.#end('ended');
  }

  // ---------------------------------------------------------------- the line

  async #attach(): Promise<void> {
    clearTimeout(this.#again);
    const round = ++this.#round;
    const before = this.#line;
    const connection = new RTCPeerConnection({ iceServers: [] });
    const line: Line = { connection, sender: null, leg: '' };
    this.#line = line;
    try {
      await this.#negotiate(line);
    } catch (error) {
      connection.close();
      before?.connection.close();
      if (round === this.#round) this.#notAttached(error);
      return;
    }
    before?.connection.close();
    if (round !== this.#round) {
      connection.close();
      return;
    }
    this.#watch(line, round);
  }

  async #negotiate(line: Line): Promise<void> {
    const { connection } = line;
    const stream = this.#microphone ?? this.#silence?.stream;
    const [track] = stream?.getAudioTracks() ?? [];
    if (!stream || !track) throw new Error('there is nothing to send');
    line.sender = connection.addTransceiver(track, { direction: 'sendrecv', streams: [stream] }).sender;
    connection.ontrack = ({ track: remote }) => this.#play(remote);
    await connection.setLocalDescription(await connection.createOffer());
    await gathered(connection);
    const response = await send('/api/whip', {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: `Bearer ${this.#token}` },
      body: connection.localDescription?.sdp ?? '',
    });
    line.leg = response.headers.get('location') ?? '';
    await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  }

  #notAttached(error: unknown): void {
    if (error instanceof Problem && OVER.includes(error.status)) {
      this.problem.value = inWords(error);
      this.#end('ended');
      return;
    }
    const passing = error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);
    if (!passing || (!this.#hasConnected && this.#failures >= FIRST_TRIES)) {
      this.problem.value = inWords(error);
      this.#end('failed');
      return;
    }
    this.#attachLater(error.retryAfterS);
  }

  #attachLater(waitS: number | null): void {
    const backoff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#again = setTimeout(() => void this.#attach(), waitS === null ? backoff : waitS * 1_000);
  }

  /** Looks at the packets that come until this line is replaced or closed. */
  #watch(line: Line, round: number): void {
    const { connection } = line;
    const began = performance.now();
    const packets = new Packets(began);
    let isOver = false;
    const look = setInterval(() => void step(), LOOK_EVERY_MS);
    const step = async (): Promise<void> => {
      if (round !== this.#round || isOver) {
        clearInterval(look);
        return;
      }
      const now = performance.now();
      packets.count(await connection.getStats(), now);
      if (round !== this.#round || isOver) return;
      if (isGone(connection, packets, began, now)) {
        isOver = true;
        clearInterval(look);
        // Closed from the other end it is mostly over, and the feed is about to say so.
        const wait = packets.silentFor(now) < DEAD_MS && this.#hasConnected ? CLOSED_WAIT_MS : 0;
        this.#again = setTimeout(() => this.#reattach(), wait);
      } else if (connection.connectionState === 'connected') {
        this.#failures = 0;
        this.#hasConnected = true;
        this.state.value = packets.isWeak(now) ? 'weak' : 'connected';
      }
    };
    connection.onconnectionstatechange = () => void step();
  }

  #reattach(): void {
    if (this.#hasConnected) this.state.value = 'weak';
    else if (this.#failures >= FIRST_TRIES) {
      this.problem.value = 'No sound comes through. Is UDP blocked on this network?';
      this.#end('failed');
      return;
    }
    this.#failures += 1;
    void this.#attach();
  }

  readonly #networkBack = (): void => {
    if (this.state.value === 'connected' || this.state.value === 'weak') this.#reattach();
  };

  // ---------------------------------------------------------------- ear and mouth

  /** The words to say if it stays closed; empty when it is open. */
  async #openMicrophone(): Promise<string> {
    const round = this.#round;
    let microphone: MediaStream;
    try {
      microphone = await openMicrophone();
    } catch (error) {
      return microphoneWords(error);
    }
    if (this.#microphone || (round !== this.#round && !this.#line)) {
      closeTracks(microphone); // hung up, or opened twice, while the browser asked
      return '';
    }
    this.#microphone = microphone;
    this.#applyMute();
    this.#meter = new Meter(microphone, (level) => {
      this.level.value = this.#isOpen ? level : 0;
    });
    return '';
  }

  /** Who listened begins to speak: the same line carries the microphone from now on. */
  async #openLate(): Promise<void> {
    this.problem.value = await this.#openMicrophone();
    const [track] = this.#microphone?.getAudioTracks() ?? [];
    const silence = this.#silence;
    if (!track || !silence) return;
    this.#silence = null;
    await this.#line?.sender?.replaceTrack(track);
    silence.close();
  }

  #play(remote: MediaStreamTrack): void {
    if (!this.#speaker) {
      this.#speaker = document.createElement('audio');
      this.#speaker.autoplay = true;
      document.body.append(this.#speaker);
    }
    this.#speaker.srcObject = new MediaStream([remote]);
  }

  get #isOpen(): boolean {
    return this.#microphoneOn && !this.muted.value;
  }

  #applyMute(): void {
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = this.#isOpen;
  }

  #end(state: 'ended' | 'refused' | 'failed'): void {
    this.#close();
    this.state.value = state;
  }

  #close(): void {
    this.#round += 1;
    clearTimeout(this.#again);
    removeEventListener('online', this.#networkBack);
    this.#line?.connection.close();
    this.#line = null;
    this.#meter?.close();
    this.#meter = null;
    this.level.value = 0;
    if (this.#microphone) closeTracks(this.#microphone);
    this.#microphone = null;
    this.#silence?.close();
    this.#silence = null;
    this.#speaker?.remove();
    this.#speaker = null;
  }
}

/** Asks for the microphone. Throws a DOMException if it is refused or there is none. */
export async function openMicrophone(): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
}

export function closeTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** The one refusal that the browser's own settings undo. */
export const NOT_ALLOWED = 'The browser keeps the microphone closed for this page.';

export function microphoneWords(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotFoundError') return 'There is no microphone. Plug one in and try again.';
  if (name === 'NotReadableError') return 'The microphone is in use by another program.';
  if (!navigator.mediaDevices) return 'Browsers open the microphone only on https pages and on localhost.';
  return NOT_ALLOWED;
}

/** A stream of digital silence, which is sent in packets as sound is. */
class Silence {
  readonly #context = new AudioContext();
  readonly #destination = this.#context.createMediaStreamDestination();

  constructor() {
    const nothing = this.#context.createConstantSource(); // without a source no packets are made
    nothing.offset.value = 0;
    nothing.connect(this.#destination);
    nothing.start();
    void this.#context.resume();
  }

  get stream(): MediaStream {
    return this.#destination.stream;
  }

  close(): void {
    closeTracks(this.stream);
    void this.#context.close();
  }
}

/** Packets that came in on one line. */
class Packets {
  #received = 0;
  #last_ms: number;
  #history: { received: number; lost: number }[] = [];

  constructor(now_ms: number) {
    this.#last_ms = now_ms;
  }

  count(stats: RTCStatsReport, now_ms: number): void {
    stats.forEach((entry: { type: string; packetsReceived?: number; packetsLost?: number }) => {
      if (entry.type !== 'inbound-rtp') return;
      const received = entry.packetsReceived ?? 0;
      if (received > this.#received) this.#last_ms = now_ms;
      this.#received = received;
      this.#history.push({ received, lost: entry.packetsLost ?? 0 });
      if (this.#history.length > LOSS_OVER_LOOKS) this.#history.shift();
    });
  }

  silentFor(now_ms: number): number {
    return now_ms - this.#last_ms;
  }

  isWeak(now_ms: number): boolean {
    const [first] = this.#history;
    const newest = this.#history.at(-1);
    if (!first || !newest) return false;
    const lost = newest.lost - first.lost;
    const sent = newest.received - first.received + lost;
    return this.silentFor(now_ms) > WEAK_MS || (sent > 50 && lost / sent >= WEAK_LOSS);
  }
}

function isGone(connection: RTCPeerConnection, packets: Packets, began: number, now: number): boolean {
  switch (connection.connectionState) {
    case 'failed':
    case 'closed':
      return true;
    case 'connected':
    case 'disconnected':
      return packets.silentFor(now) > DEAD_MS && now - began > DEAD_MS;
    default:
      return now - began > CONNECT_MS;
  }
}

/** Until all candidates are known, at most GATHER_MS: there is no trickling. */
async function gathered(connection: RTCPeerConnection): Promise<void> {
  if (connection.iceGatheringState === 'complete') return;
  await new Promise<void>((resolve) => {
    const done = setTimeout(resolve, GATHER_MS);
    connection.onicegatheringstatechange = () => {
      if (connection.iceGatheringState !== 'complete') return;
      clearTimeout(done);
      resolve();
    };
  });
}

/** Loudness of a stream, 0..1 on a scale of decibels. */
class Meter {
  readonly #context = new AudioContext();
  readonly #reading: ReturnType<typeof setInterval>;

  constructor(stream: MediaStream, show: (level: number) => void) {
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    this.#context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#reading = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      show(loudness(samples));
    }, METER_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#reading);
    void this.#context.close();
  }
}

export function loudness(samples: Float32Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const db = 10 * Math.log10(power + 1e-12);
  return Math.min(1, Math.max(0, (db - METER_FLOOR_DB) / (METER_TOP_DB - METER_FLOOR_DB)));
}
