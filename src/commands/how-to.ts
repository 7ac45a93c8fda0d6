/** Tells a person who just ran `npm start` what to paste. */
export function sayHowToUse(url: string): void {
  const body = JSON.stringify({
    name: 'my-app',
    containers: [{ name: 'app', image: 'myregistry.azurecr.io/my-app:v1.0', ports: [{ port: 80 }] }],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: 'acr-admin' }],
    ipAddress: { type: 'Public', ports: [{ port: 80 }] },
  });
  console.log(`
  console ${url}/console
  docs    ${url}/docs
  token   npm run -s token -- demo

  Deploy with the password that lies in Key Vault, and wait until it runs:

  curl -sS ${url}/deployments \\
    -H "Authorization: Bearer $(npm run -s token)" \\
    -H 'Content-Type: application/json' -H 'Prefer: wait=30' \\
    -d '${body}'
`);
}
