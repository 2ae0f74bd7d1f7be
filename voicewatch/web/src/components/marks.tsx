/** Who somebody is, by shape: square and barred for the AI, round with a person for people. */
import type { Role } from '../lib/types';
import { Icon, type IconName } from './icons';

const GLYPHS: Record<Role, { icon: IconName; look: string }> = {
  customer: { icon: 'person', look: 'av' },
  ai: { icon: 'ai', look: 'av av--ai' },
  agent: { icon: 'person', look: 'av av--human' },
  supervisor: { icon: 'supervisor', look: 'av av--human' },
};

export function RoleGlyph({ role, large = false }: { role: Role; large?: boolean }) {
  const { icon, look } = GLYPHS[role];
  return (
    <span class={large ? `${look} av--large` : look}>
      <Icon name={icon} {...(large ? { size: 'l' as const } : {})} />
    </span>
  );
}
