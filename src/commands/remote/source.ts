type Env = Record<string, string | undefined>;

interface Source {
  repository?: string;
  revision?: string;
  runUrl?: string;
}

/** Where a release comes from, as the build services say it; null outside of those. */
export function sourceOf(env: Env): Source | null {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = env;
  if (env.GITHUB_ACTIONS === 'true' && server && repository)
    return compact({
      repository: `${server}/${repository}`,
      revision: env.GITHUB_SHA,
      runUrl: env.GITHUB_RUN_ID && `${server}/${repository}/actions/runs/${env.GITHUB_RUN_ID}`,
    });
  if (env.TF_BUILD)
    return compact({
      repository: env.BUILD_REPOSITORY_URI,
      revision: env.BUILD_SOURCEVERSION,
      runUrl:
        env.SYSTEM_COLLECTIONURI &&
        `${env.SYSTEM_COLLECTIONURI}${env.SYSTEM_TEAMPROJECT}/_build/results?buildId=${env.BUILD_BUILDID}`,
    });
  if (env.GITLAB_CI)
    return compact({
      repository: env.CI_PROJECT_URL,
      revision: env.CI_COMMIT_SHA,
      runUrl: env.CI_JOB_URL,
    });
  return null;
}

function compact(source: Record<keyof Source, string | undefined>): Source | null {
  const said = Object.entries(source).filter(([, value]) => value);
  return said.length > 0 ? Object.fromEntries(said) : null;
}
