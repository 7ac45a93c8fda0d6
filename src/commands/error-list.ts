import { describeCode } from '../deployments/explain.ts';
import { type RequestErrorCode, requestErrors } from '../errors.ts';
import { failureCodes, failureKinds } from '../failures.ts';

/** All codes as a page of the documentation, from the tables. */
export function errorList(): string {
  const failures = failureCodes.map(code => {
    const { title, owner, retryable, confidence } = failureKinds[code];
    const { fixes } = describeCode(code);
    const todo = fixes.map(({ action }) => action).join('; ');
    const sure = confidence === 'low' ? ', not certain' : '';
    return row(`\`${code}\``, `${title}${sure}`, owner, retryable ? 'yes' : 'no', todo);
  });
  const requests = (Object.keys(requestErrors) as RequestErrorCode[]).map(code => {
    const [status, title] = requestErrors[code];
    return row(String(status), `\`${code}\``, title);
  });
  return [
    '# Codes',
    'Made of the tables in `src/failures.ts` and `src/errors.ts` by `npm run openapi`. The running service explains each at',
    '`/docs/errors/{code}`. The list grows: clients take a code that they do not know as one of its status.',
    '',
    '## Why a deployment fails',
    '',
    row('code', 'says', 'who acts', 'retry can help', 'what to do'),
    row('---', '---', '---', '---', '---'),
    ...failures,
    '',
    '## Why a request is refused',
    '',
    row('status', 'code', 'says'),
    row('---', '---', '---'),
    ...requests,
    '',
  ].join('\n');
}

const row = (...cells: string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
