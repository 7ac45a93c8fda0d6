/** Classes of SQLSTATE that say nothing of the statement: connection, resources (a full disk), the server's operator, I/O. */
const classes = /^(?:08|53|57P|58)/;
const network: ReadonlySet<string> = new Set(
  'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENOSPC EIO'.split(' '),
);
/** What the driver says without a code. */
const words =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/;

/** Whether the store is out, or has no room, and the same may succeed later. */
export function isStoreOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  // `statement_timeout` and locks: too much at once.
  return classes.test(code) || code === '57014' || network.has(code) || words.test(error.message);
}

/** Whether it is the room that is lacking: an operator has to make some. */
export const isWithoutRoom = (error: Error): boolean => ['53100', 'ENOSPC'].includes(codeOf(error));

const codeOf = (error: Error) => ('code' in error && typeof error.code === 'string' ? error.code : '');
