import { isExpression } from './expressions.ts';
import { mapTexts, textsIn } from './members.ts';

/** `<sub-id>`, `${SUB_ID}`, `$(subId)`, `{{ sub }}`: the ways in which people leave a place for a value. */
const form =
  /<([A-Za-z][\w .-]*)>|\$\{([A-Za-z_]\w*)\}|\$\(([A-Za-z_][\w.]*)\)|\{\{\s*([A-Za-z_][\w.]*)\s*\}\}/g;

export function fillPlaceholders(value: unknown, settings: ReadonlyMap<string, string>): unknown {
  return mapTexts(value, text =>
    text.replace(form, (whole, ...names: (string | undefined)[]) => {
      const name = names.slice(0, 4).find(each => each !== undefined);
      return settings.get(name ?? '') ?? whole;
    }),
  );
}

/** What is still to be said, and where. Of an expression, the parameters that nobody sets; else all of it. */
export function openPlaceholders(
  value: unknown,
  settings: ReadonlyMap<string, string>,
): { pointer: string; name: string }[] {
  return [...textsIn(value)].flatMap(({ pointer, text }) =>
    namesIn(text, settings).map(name => ({ pointer, name })),
  );
}

function namesIn(text: string, settings: ReadonlyMap<string, string>): string[] {
  if (!isExpression(text))
    return [...text.matchAll(form)].flatMap(([, ...names]) => names.find(Boolean) ?? []);
  const parameters = [...text.matchAll(/parameters\(\s*'([^']+)'\s*\)/gi)].map(([, name = '']) => name);
  const open = parameters.filter(name => !settings.has(name));
  return open.length > 0 ? open : [text];
}
