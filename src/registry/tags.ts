import { ask, type Conversation } from './asking.ts';
import type { Authorization } from './credential.ts';
import { listOf, PullProblem, readJson } from './problem.ts';

const timeoutMs = 2_000;
const mostShown = 3;

/** The tags of the repository that are most like the one that is missing; none where they cannot be had at once. */
export async function nearestTags(
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<string[]> {
  const { host, request } = conversation;
  const { path, tag } = request.reference;
  try {
    const answer = await ask(conversation, {
      method: 'GET',
      url: `https://${host}/v2/${path}/tags/list?n=1000`,
      step: 'tags',
      authorization,
      timeoutMs: Math.min(timeoutMs, conversation.timeoutMs),
    });
    if (answer.status !== 200) return [];
    const tags = listOf(readJson(answer)?.tags).filter(isTag);
    return rank(tags, tag ?? 'latest').slice(0, mostShown);
  } catch (error) {
    if (error instanceof PullProblem) return [];
    throw error;
  }
}

const isTag = (value: unknown): value is string =>
  typeof value === 'string' && /^\w[\w.-]{0,127}$/.test(value);

function rank(tags: string[], wanted: string): string[] {
  const far = new Map(tags.map(tag => [tag, distance(tag.toLowerCase(), wanted.toLowerCase())]));
  return tags.sort((one, other) => (far.get(one) ?? 0) - (far.get(other) ?? 0) || (one < other ? 1 : -1));
}

/** How many letters must change to make one text the other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (const [j, wanted] of [...other].entries())
      next.push(
        Math.min((row[j] ?? 0) + Number(letter !== wanted), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
