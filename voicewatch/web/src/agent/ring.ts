/** The ring: two notes, a pause, until it is stopped. Only the agent hears it. */

const NOTES_HZ = [659.25, 783.99];
const NOTE_S = 0.22;
const EVERY_MS = 2_400;
const LOUDNESS = 0.12;

export class Ring {
  #context: AudioContext | null = null;
  #repeating: ReturnType<typeof setInterval> | undefined;

  /** To be called from a press: browsers let a page sound only after one. */
  prepare(): void {
    this.#context ??= new AudioContext();
    void this.#context.resume();
  }

  start(): void {
    if (this.#repeating !== undefined) return;
    this.once();
    this.#repeating = setInterval(() => this.once(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#repeating);
    this.#repeating = undefined;
  }

  once(): void {
    const context = this.#context;
    if (context?.state !== 'running') return;
    NOTES_HZ.forEach((frequency, place) => note(context, frequency, context.currentTime + place * NOTE_S));
  }
}

/** Swells and fades, so that it neither clicks nor startles. */
function note(context: AudioContext, frequency: number, at: number): void {
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(LOUDNESS, at + 0.03);
  volume.gain.exponentialRampToValueAtTime(0.001, at + NOTE_S * 1.8);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + NOTE_S * 2);
}
