import t from 'tap';
import {
  createTracer,
  currentPlace,
  currentTraceparent,
  type EndedSpan,
  formatTraceparent,
  inside,
  parseTraceparent,
} from '../src/telemetry/trace.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

t.test('a traceparent is taken as the standard has it, and nothing else', async t => {
  t.same(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true });
  t.same(parseTraceparent(`00-${traceId}-${spanId}-02`), { traceId, spanId, sampled: false });
  t.equal(
    formatTraceparent({ traceId, spanId, sampled: false }),
    `00-${traceId}-${spanId}-00`,
    'and written so',
  );
  for (const wrong of [
    undefined,
    '',
    ['00', traceId],
    `01-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
  ])
    t.equal(parseTraceparent(wrong), null, String(wrong));
});

t.test('a span belongs to what goes on around it, across everything that is awaited', async t => {
  const ended: EndedSpan[] = [];
  const tracer = createTracer({ onEnd: span => ended.push(span) });
  t.equal(currentTraceparent(), null, 'outside there is no trace');
  const outer = tracer.start('outer', {
    kind: 'server',
    parent: parseTraceparent(`00-${traceId}-${spanId}-00`),
  });
  await inside(
    outer,
    async () => {
      await tracer.trace('inner', { attributes: { stage: 'Resolving' } }, async span => {
        await new Promise(setImmediate);
        t.equal(currentTraceparent(), formatTraceparent(span));
        t.equal(currentPlace()?.deployment, 'one', 'and knows the deployment');
      });
      await t.rejects(tracer.trace('failing', {}, () => Promise.reject(new RangeError('far'))));
    },
    { deployment: 'one' },
  );
  outer.end();
  outer.end();
  t.match(ended, [
    { name: 'inner', traceId, parentSpanId: outer.spanId, attributes: { stage: 'Resolving' }, error: null },
    { name: 'failing', traceId, parentSpanId: outer.spanId, error: 'RangeError' },
    { name: 'outer', traceId, parentSpanId: spanId, kind: 'server' },
  ]);
  t.equal(ended.length, 3, 'each ends once');
  t.notOk(JSON.stringify(ended).includes('far'), 'what an error says is not kept');
});

t.test('what is not sampled keeps its names and is not handed out', async t => {
  const ended: EndedSpan[] = [];
  const tracer = createTracer({ onEnd: span => ended.push(span), sample: () => false });
  const parent = parseTraceparent(`00-${traceId}-${spanId}-01`);
  const span = tracer.start('asked for', { parent });
  span.end();
  t.equal(span.traceId, traceId);
  t.equal(span.sampled, false, "a caller's flag does not bring it in");
  t.same(ended, []);
});
