import { environment } from '../config.ts';
import { requestToken } from './embedded-token.ts';

const team = process.argv[2] ?? 'demo';

try {
  process.stdout.write(await requestToken(environment, team));
  if (process.stdout.isTTY) process.stdout.write('\n');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
