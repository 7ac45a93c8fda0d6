import t from 'tap';
import {
  type Anchor,
  type LogLine,
  linesAfter,
  parseLog,
  readAnchor,
  readable,
  writeAnchor,
} from '../../src/deployments/log-lines.ts';
import { Secret } from '../../src/secret.ts';

const random = (most: number) => Math.floor(Math.random() * most);
const begun = Date.parse('2026-11-24T08:00:00.000Z');

/** A log in which lines of one instant are many, and many lines say the same. */
function createLog() {
  const lines: LogLine[] = [];
  let ms = 0;
  return {
    lines,
    grow(count: number) {
      for (let n = 0; n < count; n += 1) {
        if (random(3) === 0) ms += 1 + random(3);
        const at = new Date(begun + ms).toISOString().replace('Z', `${'000000'.slice(random(7))}Z`);
        const same = lines.findLast(line => Date.parse(line.at) === begun + ms);
        lines.push({
          at: same?.at ?? at,
          text: ['', 'tick', 'tock', `line ${lines.length}`][random(4)] ?? '',
        });
      }
    },
    /** As Azure gives it: the last so many lines. */
    tail(count: number) {
      return lines
        .slice(-count)
        .map(({ at, text }) => `${at} ${text}\n`)
        .join('');
    },
  };
}

t.test('whatever the tail shows of a log that grows and repeats itself, each line comes once', async t => {
  for (let round = 0; round < 300; round += 1) {
    const log = createLog();
    let anchor: Anchor | null = null;
    const seen: LogLine[] = [];
    for (let poll = 0; poll < 20; poll += 1) {
      log.grow(random(30));
      // Larger by a line of an earlier instant than what is new, as the one who asks makes it.
      const asked = random(4) === 0 ? Number.MAX_SAFE_INTEGER : needed(log.lines, seen.length) + random(10);
      const { lines } = parseLog(log.tail(asked));
      const { fresh, gap, lost } = linesAfter({ lines, whole: asked > log.lines.length }, anchor);
      if (gap || lost) return t.fail(`round ${round}: a gap`);
      seen.push(...fresh.map(({ line }) => line));
      const last = fresh.at(-1)?.anchor;
      // Half of them come back on another connection.
      if (last) anchor = random(2) ? last : readAnchor(writeAnchor(last));
    }
    if (JSON.stringify(seen) !== JSON.stringify(log.lines)) return t.same(seen, log.lines, `round ${round}`);
  }
  t.pass('all of them');
});

function needed(lines: readonly LogLine[], seen: number): number {
  const last = lines[seen - 1];
  const before = last ? lines.findLastIndex(({ at }) => at < last.at) : -1;
  return lines.length - before;
}

t.test('where the tail was cut off too far, it is told, and nothing comes twice', async t => {
  for (let round = 0; round < 200; round += 1) {
    const log: LogLine[] = [];
    let anchor: Anchor | null = null;
    const seen: string[] = [];
    let gaps = 0;
    for (let poll = 0; poll < 20; poll += 1) {
      for (let n = random(20); n > 0; n -= 1)
        log.push({ at: new Date(begun + log.length).toISOString(), text: `line ${log.length}` });
      const window = log.slice(-8);
      const { fresh, gap } = linesAfter({ lines: window, whole: window.length === log.length }, anchor);
      if (gap) gaps += 1;
      seen.push(...fresh.map(({ line }) => line.text));
      anchor = fresh.at(-1)?.anchor ?? anchor;
    }
    const numbers = seen.map(text => Number(text.slice(5)));
    if (numbers.some((number, index) => index > 0 && number <= (numbers[index - 1] ?? -1)))
      return t.fail('a line came twice');
    const holes = numbers.filter((number, index) => index > 0 && number !== (numbers[index - 1] ?? 0) + 1);
    if (holes.length > gaps) return t.same(holes.length, gaps, 'a hole was not told');
  }
  t.pass('never');
});

t.test('a container that starts anew begins its log anew', async t => {
  const at = (n: number) => new Date(begun + n).toISOString();
  const before = [1, 2, 3].map(n => ({ at: at(n), text: 'same' }));
  const anchor = linesAfter({ lines: before, whole: true }, null).fresh.at(-1)?.anchor ?? null;
  const after = [7, 8].map(n => ({ at: at(n), text: 'same' }));
  const { fresh, gap } = linesAfter({ lines: after, whole: true }, anchor);
  t.same(
    fresh.map(({ line }) => line),
    after,
  );
  t.equal(gap, true, 'what it wrote last may be lost');
});

t.test('a log is read as it is, also where it is cut off or has no timestamps', async t => {
  const stamp = '2026-11-24T08:00:00.123456789Z';
  for (const [content, lines, open] of [
    ['', [], null],
    [
      `${stamp} a\n${stamp} \n`,
      [
        { at: stamp, text: 'a' },
        { at: stamp, text: '' },
      ],
      null,
    ],
    [`${stamp} a\r\n${stamp} b`, [{ at: stamp, text: 'a' }], { at: stamp, text: 'b' }],
    [`alf a line\n${stamp} a\n`, [{ at: stamp, text: 'a' }], null],
    [
      `${stamp} a\nits second line\n`,
      [
        { at: stamp, text: 'a' },
        { at: stamp, text: 'its second line' },
      ],
      null,
    ],
    [
      'no\nstamps\n',
      [
        { at: '', text: 'no' },
        { at: '', text: 'stamps' },
      ],
      null,
    ],
    [`${stamp}\n`, [{ at: stamp, text: '' }], null],
  ] as const)
    t.same(parseLog(content), { lines, open }, JSON.stringify(content));
  const { fresh } = linesAfter({ lines: parseLog('a\na\nb\n').lines, whole: true }, null);
  t.same(
    linesAfter({ lines: parseLog('a\na\nb\na\n').lines, whole: true }, fresh[1]?.anchor ?? null).fresh.map(
      ({ line }) => line.text,
    ),
    ['b', 'a'],
  );
});

t.test('an anchor is its own text, and nothing else is one', async t => {
  const anchor = { at: '2026-11-24T08:00:00.1Z', ordinal: 12, digest: 'abcd-_19' };
  t.same(readAnchor(writeAnchor(anchor)), anchor);
  for (const text of [
    '',
    '5',
    'x~1~abcdefgh',
    '~0~abcdefgh',
    '2026~1~short',
    '~1~abcdefgh\n',
    '~1e3~abcdefgh',
  ])
    t.equal(readAnchor(text), null, text);
});

t.test('what a container writes does not act on who reads it', async t => {
  const hostile = [
    '\x1b[31mred\x1b[0m',
    '\x1b]0;title\x07plain',
    '\x1b]52;c;Y29weQ==\x1b\\copied',
    '\x1bP1$r0m\x1b\\dcs',
    '\x9b31mc1',
    'over\rwritten\x08\x7f\0',
    'a\ttab',
    '\ud800half',
  ].map(readable);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  for (const text of hostile) t.notMatch(text, /[\0-\x08\x0b-\x1f\x7f-\x9f]/);
  t.equal(hostile[0], 'red');
  t.equal(hostile[1], 'plain');
  t.notMatch(hostile[2], /Y29weQ/);
  t.equal(hostile[6], 'a\ttab');
  using secret = new Secret('CANARY-in-a-log');
  t.equal(readable(`the password is ${secret.reveal()}`), 'the password is [secret]');
});
