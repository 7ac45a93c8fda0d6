import { createApp } from '../http/app.ts';
import { createLog } from '../log.ts';

/** The OpenAPI document as the routes say it, without a store or an Azure: nothing is called. */
export async function buildDocument(): Promise<{ json: string; yaml: string }> {
  const uncalled = () => Promise.reject(new Error('the document is made without serving'));
  const app = await createApp({
    log: createLog({ level: 'silent' }),
    authenticator: { authenticate: uncalled },
    deployments: {
      create: uncalled,
      adopt: uncalled,
      get: uncalled,
      list: uncalled,
      operation: uncalled,
      waitForFirstStage: uncalled,
      waitForEnd: uncalled,
    },
    revising: {
      put: uncalled,
      patch: uncalled,
      images: uncalled,
      redeploy: uncalled,
      rollback: uncalled,
      replace: uncalled,
      revisions: uncalled,
      revision: uncalled,
    },
    plan: uncalled,
    rotations: { usages: uncalled, rotate: uncalled },
    verbs: { restart: uncalled, start: uncalled, stop: uncalled, cancel: uncalled, remove: uncalled },
    events: {
      page: uncalled,
      feed: uncalled,
      teamPage: uncalled,
      teamFeed: uncalled,
      everyTeamFeed: uncalled,
    },
    logs: { read: uncalled, follow: uncalled },
    optionsOf: uncalled,
    listCredentials: uncalled,
    testCredential: uncalled,
    rateLimits: { spend() {} },
    adoption: { read: uncalled },
    audit: { list: uncalled },
    refusals: { record: uncalled, flush: uncalled, close: uncalled },
    readiness: { checks: uncalled, policy: () => ({ digest: '', reason: null }) },
    policyDigest: () => '',
    publicUrl: null,
  });
  try {
    return { json: `${JSON.stringify(app.swagger(), null, 2)}\n`, yaml: app.swagger({ yaml: true }) };
  } finally {
    await app.close();
  }
}
