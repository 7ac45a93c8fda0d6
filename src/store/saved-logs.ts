import { sql } from 'kysely';
import type { Database } from './database.ts';
import type { DeploymentRow } from './deployments.ts';
import { storableText } from './json.ts';
import { asReader, asWorker, ofTeams, type ReadTeams } from './walls.ts';

export interface SavedLog {
  container: string;
  /** Lines with their timestamps. */
  content: string;
}

/** The last lines of containers whose group was taken away. */
export interface SavedLogs {
  /** In place of what was kept of these containers before. */
  save(row: DeploymentRow, logs: readonly SavedLog[], at: Date): Promise<void>;
  find(
    teams: ReadTeams,
    deployment: string,
    container: string,
  ): Promise<{ content: string; at: Date; revision: number } | null>;
}

export function createSavedLogs({ db }: Pick<Database, 'db'>): SavedLogs {
  return {
    async save({ id, team, revision }, logs, at) {
      if (logs.length === 0) return;
      const rows = logs.map(({ container, content }) => ({ container, content: storableText(content) }));
      await asWorker(db, trx =>
        trx
          .insertInto('savedLogs')
          .values(rows.map(row => ({ ...row, deploymentId: id, team, revision, at })))
          .onConflict(conflict =>
            conflict.columns(['deploymentId', 'container']).doUpdateSet({
              content: sql`excluded.content`,
              revision: sql`excluded.revision`,
              at: sql`excluded.at`,
            }),
          )
          .execute(),
      );
    },

    async find(teams, deployment, container) {
      const found = await asReader(db, teams, trx =>
        trx
          .selectFrom('savedLogs')
          .select(['content', 'at', 'revision'])
          .where('deploymentId', '=', deployment)
          .where('container', '=', container)
          .where(ofTeams(teams))
          .executeTakeFirst(),
      );
      return found ?? null;
    },
  };
}
