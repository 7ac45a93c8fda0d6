import type { Row } from './row.ts';
export async function measureFlight(): Promise<Row[]> {
  return [];
}
