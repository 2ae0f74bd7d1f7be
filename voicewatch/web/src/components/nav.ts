/** The pages of a supervisor. */
export const NAV = [
  { href: '/dashboard', label: 'Live' },
  { href: '/rules', label: 'Rules' },
] as const;
