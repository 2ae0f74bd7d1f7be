/** Line drawings on a grid of 16. */
const PATHS = {
  phone:
    'M3.2 2.5h2.4l1.2 3-1.6 1.2a8 8 0 0 0 4.1 4.1l1.2-1.6 3 1.2v2.4c0 .6-.5 1-1 1C7 13.8 2.2 9 2.2 3.5c0-.6.4-1 1-1z',
  end: 'M2 9.5c3.4-3 8.6-3 12 0l-1.6 2-2.6-1.2V8.6a8 8 0 0 0-3.6 0v1.7L3.6 11.5z',
  microphone: 'M8 2a2 2 0 0 0-2 2v3a2 2 0 0 0 4 0V4a2 2 0 0 0-2-2zM3.5 7.5a4.5 4.5 0 0 0 9 0M8 12v2.2',
  muted: 'M6 6V4a2 2 0 0 1 4 0v3M3.5 7.5a4.5 4.5 0 0 0 7.3 3.5M12.4 8.6l.1-1.1M8 12v2.2M2 2l12 12',
  back: 'M6.5 3.5 3 7l3.5 3.5M3 7h6.2a3.3 3.3 0 0 1 0 6.6H7',
  ear: 'M1.5 8C3 5 5.2 3.5 8 3.5S13 5 14.5 8C13 11 10.8 12.5 8 12.5S3 11 1.5 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z',
  ai: 'M2.5 8h1.6M5.8 5v6M8 2.8v10.4M10.2 5v6M11.9 8h1.6',
  person: 'M8 2.8a2.4 2.4 0 1 0 0 4.8 2.4 2.4 0 0 0 0-4.8zM3.3 13.5c.4-2.9 2.2-4.3 4.7-4.3s4.3 1.4 4.7 4.3',
  supervisor:
    'M8 2.8a2.4 2.4 0 1 0 0 4.8 2.4 2.4 0 0 0 0-4.8zM3.3 13.5c.4-2.9 2.2-4.3 4.7-4.3s4.3 1.4 4.7 4.3M12 2.5v3M10.5 4h3',
  coach:
    'M2.5 3.5h7v5h-4l-2.2 2v-2h-.8zM12 7.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2zM9.4 14c.3-1.6 1.3-2.4 2.6-2.4s2.2.8 2.5 2.4',
  join: 'M5.2 3a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM1.8 13c.2-2.6 1.5-3.9 3.4-3.9 1 0 1.8.3 2.4.9M9 12h5.500M12.2 9.500l2.4 2.5-2.4 2.5',
  lock: 'M3.5 7h9v6.500h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2',
  warning: 'M8 2.2 14.5 13.500h-13zM8 6.500v3.200M8 11.600v.1',
  check: 'm3 8.5 3.2 3.200L13 4.8',
  bell: 'M4 11V7.500a4 4 0 0 1 8 0V11l1.2 1.300H2.800zM6.8 14h2.4',
  clock: 'M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.200l2 1.3',
  send: 'M2.5 8 13.5 3l-3 10-2.8-4z',
  search: 'M7 2.500a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.300l3.2 3.2',
  play: 'M5 3.200v9.600l7.6-4.800z',
  pause: 'M5.5 3.500v9M10.5 3.500v9',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size }: { name: IconName; size?: 's' | 'l' }) {
  return (
    <svg class={size ? `i i-${size}` : 'i'} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Light or dark. */
export function HalfDisc() {
  return (
    <svg class="i" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="5.2" />
      <path d="M8 2.8v10.400a5.2 5.2 0 0 0 0-10.400z" fill="currentColor" />
    </svg>
  );
}
