import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { noNamespaces, startNamespace } from '../support/namespace.ts';

/*
 * `az` itself, as Debian has it (2.45), with the tutorial's own commands. That version cannot be told to trust another
 * authority, so it runs under the real names: in a network and mount namespace of its own whose hosts file sends them to
 * the emulator on port 443.
 */
const names = [
  'login.microsoftonline.com',
  'management.azure.com',
  'demo-vault.vault.azure.net',
  'myregistry.azurecr.io',
  'graph.microsoft.com',
];
const subscription = '00000000-0000-0000-0000-00000000bbbb';
const group = 'my-resource-group';
const settings = {
  skip: existsSync('/usr/bin/az') ? noNamespaces() : 'az is not installed (Debian: azure-cli)',
};

/** Debian's package lacks parts of Azure's SDK for Python, and the emulator is no Microsoft Graph. */
const impossible: [command: string, reason: RegExp][] = [
  [`az role assignment list --scope /subscriptions/${subscription}`, /has no attribute 'config'/],
  ['az keyvault secret list --vault-name demo-vault', /No module named 'azure\.keyvault\.v7_0'/],
  ['az ad sp create-for-rbac --name aci-image-puller', /graph\.microsoft\.com/],
];

t.test('the tutorial, typed into az against the emulator', settings, async t => {
  const { run: az, directory } = await startNamespace(t, names, {
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    AZURE_CORE_ONLY_SHOW_ERRORS: 'true',
  });
  let tried = 0;
  let worked = 0;
  const ok = async (command: string): Promise<string> => {
    const { code, out, err } = await az(command);
    tried++;
    if (t.equal(code, 0, command.slice(0, 120))) worked++;
    else t.comment(err.slice(0, 1000));
    return out.trim();
  };
  const running = async (name: string): Promise<void> => {
    for (let look = 0; look < 60; look++) {
      const { out } = await az(`az container show -g ${group} -n ${name} --query instanceView.state -o tsv`);
      if (out.trim() === 'Running') {
        t.pass(`${name} runs`);
        return;
      }
    }
    t.fail(`${name} does not run`);
  };

  await ok(
    'az login --service-principal -u 00000000-0000-0000-0000-00000000cccc -p emulator-admin --tenant 00000000-0000-0000-0000-00000000aaaa',
  );
  t.equal(await ok('az account show --query id -o tsv'), subscription);
  t.match(await ok('az account list-locations --query "[].name" -o tsv'), /eastus/);

  t.equal(
    await ok('az acr update --name myregistry --admin-enabled true --query adminUserEnabled -o tsv'),
    'true',
  );
  const username = await ok('az acr credential show --name myregistry --query username -o tsv');
  const password = await ok('az acr credential show --name myregistry --query "passwords[0].value" -o tsv');
  const create = `az container create --resource-group ${group} --name my-app --cpu 1 --memory 1.5 --ip-address Public`;
  const image = '--image myregistry.azurecr.io/my-app:v1.0 --ports 80';
  const registry = '--registry-login-server myregistry.azurecr.io';
  const state = '--query instanceView.state -o tsv';
  t.equal(
    await ok(
      `${create} ${image} ${registry} --registry-username ${username} --registry-password ${password} ${state}`,
    ),
    'Running',
    'ACR with the admin user',
  );
  t.match(
    await ok(
      `az container show -g ${group} -n my-app --query "containers[0].instanceView.events" --output table`,
    ),
    /Pulled/,
  );
  t.match(await ok(`az container logs -g ${group} -n my-app`), /my-app/);
  t.match(await ok('az container list --output table'), /my-app/);
  await ok(`az container stop -g ${group} -n my-app`);
  t.equal(await ok(`az container show -g ${group} -n my-app ${state}`), 'Stopped');
  // This az looks again only after 30 s where Azure does not say when; the first creation shows that it follows.
  await ok(`az container start -g ${group} -n my-app --no-wait`);
  await running('my-app');
  await ok(`az container restart -g ${group} -n my-app --no-wait`);
  await running('my-app');
  await ok(`az container export -g ${group} -n my-app -f exported.yaml`);
  await ok(`az container delete --yes -g ${group} -n my-app`);

  const wrong = await az(
    `${create} ${image} ${registry} --registry-username ${username} --registry-password wrong`,
  );
  t.not(wrong.code, 0);
  t.match(wrong.err, /InaccessibleImage/, 'a wrong password is refused as Azure refuses it');

  const identity = await ok(
    `az identity create --resource-group ${group} --name my-identity --query id -o tsv`,
  );
  const principal = await ok(`az identity show -g ${group} --name my-identity --query principalId -o tsv`);
  const acr = await ok('az acr show --name myregistry --query id -o tsv');
  const withIdentity = `${create} ${image} --assign-identity ${identity} --acr-identity ${identity}`;
  t.match((await az(withIdentity)).err, /InaccessibleImage/, 'an identity without the role cannot pull');
  const assignment = JSON.stringify({
    properties: {
      roleDefinitionId: `/subscriptions/${subscription}/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d`,
      principalId: principal,
      principalType: 'ServicePrincipal',
    },
  });
  await ok(
    `az rest --method put --url "https://management.azure.com${acr}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-3333-4444-555555555555?api-version=2022-04-01" --body '${assignment}'`,
  );
  await ok(`${withIdentity} --no-wait`);
  await running('my-app');
  await ok(`az container delete --yes -g ${group} -n my-app`);

  writeFileSync(
    join(directory, 'private-registry.yaml'),
    groupFile('my-private-app', `username: ${username}`, password),
  );
  await ok(`az container create -g ${group} --file private-registry.yaml --no-wait`);
  await running('my-private-app');
  t.equal(
    await ok('az acr repository show-tags --name myregistry --repository my-app --query "[0]" -o tsv'),
    'v1.0',
  );
  t.match(await ok('az acr repository list --name myregistry -o tsv'), /web-app/);
  t.equal(await ok('az acr repository show --name myregistry --repository my-app --query tagCount'), '1');
  await ok('az acr repository delete --name myregistry --repository job --yes');
  await ok(
    `${create.replace('my-app', 'with-role')} ${image} ${registry} --registry-username ${username} --registry-password ${password} --assign-identity --scope /subscriptions/${subscription}/resourceGroups/${group} --role Reader --azure-file-volume-account-name files --azure-file-volume-account-key a2V5 --azure-file-volume-share-name share --azure-file-volume-mount-path /mnt/share --gitrepo-url https://github.com/a/b --gitrepo-mount-path /git --secrets code=42 --secrets-mount-path /secrets --secure-environment-variables PIN=42 --log-analytics-workspace w --log-analytics-workspace-key a2V5 --no-wait`,
  );
  t.equal(
    await ok(`az container show -g ${group} -n with-role --query "length(volumes)"`),
    '3',
    'a group with a role of its own and every kind of volume',
  );
  t.match(await ok('az keyvault show --name demo-vault --query properties.vaultUri -o tsv'), /demo-vault/);
  const secret = 'https://demo-vault.vault.azure.net/secrets/new-secret?api-version=7.4';
  await ok(
    `az rest --method put --url "${secret}" --resource https://vault.azure.net --body '{"value":"a","tags":{"slipway-registry":"ghcr.io"}}'`,
  );
  t.match(
    await ok(`az rest --method get --url "${secret}" --resource https://vault.azure.net --query tags`),
    /ghcr\.io/,
  );
  t.match(await ok('az resource list --query "[].name" -o tsv'), /my-private-app/);
  t.equal(
    await ok('az provider show -n Microsoft.ContainerInstance --query registrationState -o tsv'),
    'Registered',
  );
  await ok(`az identity delete -g ${group} --name my-identity`);

  await ok('az group create --name temp-group --location eastus');
  t.equal(
    await ok('az acr create --name tempregistry -g temp-group --sku Premium --query loginServer -o tsv'),
    'tempregistry.azurecr.io',
  );
  t.equal(
    await ok(
      'az acr update --name tempregistry --public-network-enabled false --query publicNetworkAccess -o tsv',
    ),
    'Disabled',
  );
  await ok(
    'az keyvault create --name temp-vault -g temp-group --location eastus --enable-rbac-authorization true',
  );
  await ok('az keyvault delete --name temp-vault -g temp-group');
  t.match(await ok('az keyvault list-deleted --query "[].name" -o tsv'), /temp-vault/);
  await ok('az keyvault purge --name temp-vault --location eastus');
  await ok('az group delete --name temp-group --yes --no-wait');
  t.equal(await ok('az acr list --query "[].name" -o tsv'), 'myregistry', 'what was in the group is gone');

  for (const [command, reason] of impossible)
    t.match((await az(command)).err, reason, `${command.slice(0, 40)} cannot work: ${reason.source}`);
  await ok('az logout');
  t.comment(`az commands ${worked}/${tried}, ${impossible.length} that cannot work with this az`);
});

function groupFile(name: string, user: string, password: string): string {
  return `apiVersion: '2021-09-01'
location: eastus
name: ${name}
properties:
  containers:
    - name: app
      properties:
        image: myregistry.azurecr.io/my-app:v1.0
        resources:
          requests:
            cpu: 1.0
            memoryInGb: 2.0
        ports:
          - port: 80
            protocol: TCP
  imageRegistryCredentials:
    - server: myregistry.azurecr.io
      ${user}
      password: '${password}'
  osType: Linux
  ipAddress:
    type: Public
    ports:
      - port: 80
        protocol: TCP
type: Microsoft.ContainerInstance/containerGroups
`;
}
