import { refuseCall } from './failure.ts';

/**
 * Throws where the SDK left out members of what it was given: it drops those that its API version does not know, in
 * silence (measured), and a group would be deployed without its credential. Its form differs, the names do not.
 */
export function refuseDropped(built: object, sent: string): void {
  const present = countNames(JSON.parse(sent));
  const fewer = [...countNames(built)].filter(([name, count]) => count > (present.get(name) ?? 0));
  if (fewer.length === 0) return;
  const unknown = fewer.filter(([name]) => !present.has(name));
  const names = (unknown.length > 0 ? unknown : fewer).map(([name]) => name);
  throw refuseCall(`the SDK knows no ${names.join(', ')}`);
}

function countNames(value: unknown, counts = new Map<string, number>()): Map<string, number> {
  if (typeof value !== 'object' || value === null) return counts;
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (!Array.isArray(value)) counts.set(name, (counts.get(name) ?? 0) + 1);
    countNames(member, counts);
  }
  return counts;
}
