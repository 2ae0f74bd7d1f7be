/** The event feed (/api/events): what is known of the calls, kept up to date over lost connections. */
import { type Signal, signal } from '@preact/signals';
import { emptyCall, type LiveCall, withFact, withSignal, withView } from './fold';
import type {
  AgentRow,
  CallView,
  CustomerView,
  FactEvent,
  FeedMessage,
  SignalEvent,
  SystemStatus,
  You,
} from './types';

export type { LiveCall } from './fold';

export interface FeedOptions {
  /** A seat token, for the customer's page; everybody else is known by the cookie. */
  token?: string;
  /** Called once for each fact, after it was folded in. */
  onFact?: (fact: FactEvent) => void;
}

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5_000;
/** The server pings every 15 s: silence of this length means that the connection is dead. */
const SILENCE_MS = 40_000;
/** Levels and interim text are shown at most this often. */
const SHOW_EVERY_MS = 50;
const REFUSED = 1008;

export class Feed {
  readonly status: Signal<'connecting' | 'live' | 'lost'> = signal('connecting');
  /** When anything was last heard of the server, as Date.now(). */
  readonly lastEventAt: Signal<number> = signal(0);
  readonly calls: Signal<Map<string, LiveCall>> = signal(new Map());
  readonly agents: Signal<AgentRow[]> = signal([]);
  readonly system: Signal<SystemStatus | null> = signal(null);
  readonly you: Signal<You | null> = signal(null);
  /** Why the server will not have us (signed out, token expired); empty while it will. */
  readonly refused: Signal<string> = signal('');
  /** What an agent wants to be, said again at every reconnection; null: what he was. */
  presence: 'available' | 'away' | null = null;

  readonly #options: FeedOptions;
  /** Ahead of `calls` by the signals of at most SHOW_EVERY_MS. */
  #known = new Map<string, LiveCall>();
  #cursor: string | null = null;
  #socket: WebSocket | null = null;
  #failures = 0;
  #again: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #showing: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FeedOptions = {}) {
    this.#options = options;
  }

  start(): void {
    addEventListener('online', this.#hurry);
    this.#connect();
  }

  stop(): void {
    removeEventListener('online', this.#hurry);
    clearTimeout(this.#again);
    clearTimeout(this.#silence);
    clearTimeout(this.#showing);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // ---------------------------------------------------------------- the connection

  #connect(): void {
    clearTimeout(this.#again);
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/events`);
    this.#socket = socket;
    socket.onopen = () => {
      const { token } = this.#options;
      socket.send(
        JSON.stringify({
          type: 'hello',
          after: this.#cursor,
          ...(token ? { token } : {}),
          ...(this.presence ? { presence: this.presence } : {}),
        }),
      );
      this.#listen();
    };
    socket.onmessage = (message) => {
      if (socket !== this.#socket) return;
      this.#listen();
      this.#take(JSON.parse(String(message.data)) as FeedMessage);
    };
    socket.onclose = (closed) => {
      if (socket !== this.#socket) return;
      this.#lost(closed.code === REFUSED ? closed.reason || 'refused' : '');
    };
  }

  /** Waits for the next word of the server; if none comes the connection is given up. */
  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const dead = this.#socket;
      this.#lost('');
      dead?.close();
    }, SILENCE_MS);
  }

  #lost(refused: string): void {
    clearTimeout(this.#silence);
    this.#socket = null;
    this.status.value = 'lost';
    this.refused.value = refused;
    const wait = refused ? LONGEST_WAIT_MS : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#again = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  /** The network is back: what waits for its next try tries now. */
  readonly #hurry = (): void => {
    if (this.#socket === null) this.#connect();
  };

  // ---------------------------------------------------------------- what it says

  #take(message: FeedMessage): void {
    this.lastEventAt.value = Date.now();
    switch (message.type) {
      case 'snapshot':
        this.#snapshot(message);
        break;
      case 'fact':
        this.#fact(message.event);
        this.#cursor = message.cursor;
        break;
      case 'signal':
        this.#signal(message.event);
        break;
      case 'call':
        this.#view(message.view);
        break;
      case 'agents':
        this.agents.value = message.agents;
        break;
      case 'gone':
        this.#known.delete(message.call_id);
        this.#show();
        break;
      case 'ping':
        break;
    }
    if (this.status.value !== 'live') this.#live();
  }

  #live(): void {
    this.#failures = 0;
    this.refused.value = '';
    this.status.value = 'live';
  }

  /** All there is. What is not in it any more is gone; utterances it leaves out are kept. */
  #snapshot(message: Extract<FeedMessage, { type: 'snapshot' }>): void {
    const before = this.#known;
    this.#known = new Map();
    for (const view of message.calls) {
      const call = before.get(view.call_id) ?? emptyCall(view.call_id, performance.now());
      this.#known.set(view.call_id, withView(call, view, performance.now()));
    }
    if (!message.resumed || this.#cursor === null) this.#cursor = message.cursor;
    this.you.value = message.you;
    this.agents.value = message.agents;
    this.system.value = message.system;
    this.#show();
  }

  #fact(fact: FactEvent): void {
    const known = this.#known.get(fact.call_id);
    // Of a call that we do not see only its beginning is of use: a view that says all follows the others.
    if (known || fact.type === 'call_started') {
      const call = known ?? emptyCall(fact.call_id, performance.now());
      const next = withFact(call, fact, performance.now());
      if (next === call) return;
      this.#known.set(fact.call_id, next);
      this.#show();
    }
    this.#options.onFact?.(fact);
  }

  #view(view: CallView | CustomerView): void {
    const call = this.#known.get(view.call_id) ?? emptyCall(view.call_id, performance.now());
    this.#known.set(view.call_id, withView(call, view, performance.now()));
    this.#show();
  }

  #signal(event: SignalEvent): void {
    if (event.type === 'system') {
      this.system.value = event;
      return;
    }
    const call = this.#known.get(event.call_id);
    if (!call) return;
    this.#known.set(event.call_id, withSignal(call, event));
    this.#showing ??= setTimeout(() => this.#show(), SHOW_EVERY_MS);
  }

  #show(): void {
    clearTimeout(this.#showing);
    this.#showing = undefined;
    this.calls.value = new Map([...this.#known].filter(([, call]) => call.known));
  }
}
