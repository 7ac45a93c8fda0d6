import { createHash } from 'node:crypto';

const hash = (algorithm: string, text: string, encoding: 'hex' | 'base64' | 'base64url' = 'hex') =>
  createHash(algorithm).update(text).digest(encoding);
const times = (count: number, make: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => make(n));
const uuid = (n: number) =>
  hash('md5', `u${n}`).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

const written = `
https://api.example.com/v1/orders?page=2&sort=created_at&fields=id,name
https://user@github.com/org/repo.git
git@github.com:org/repo.git
ssh://git@git.example.com:2222/org/repo.git
http://proxy.internal:3128
http://localhost:9411?email=me@example.com
https://packages.example.com/@scope/package/-/package-1.0.0.tgz
https://fakeaccount.blob.core.windows.net/container/path/blob.json?snapshot=2026-01-01T00:00:00.0000000Z
https://example.com/oauth2/authorize?client_id=abc&response_type=code&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb
https://portal.azure.com/#@contoso.onmicrosoft.com/resource/subscriptions
postgres://app@db.example.com:5432/app?sslmode=require
postgres://$(DB_USER):$(DB_PASSWORD)@db.example.com:5432/app
mysql://app:\${MYSQL_PASSWORD}@db/app
amqp://guest@rabbit:5672/%2F
redis://cache.internal:6379/0
mongodb+srv://cluster0.example.mongodb.net/app?retryWrites=true&w=majority
jdbc:postgresql://db.example.com:5432/orders?ssl=true&currentSchema=public
jdbc:sqlserver://sql.example.com:1433;databaseName=orders;encrypt=true;authentication=ActiveDirectoryMSI
jdbc:oracle:thin:@//db.example.com:1521/ORCL
Server=tcp:sql.database.windows.net,1433;Database=orders;Authentication=Active Directory Managed Identity;Encrypt=True
Host=db;Username=app;Password=\${DB_PASSWORD};Database=app
Endpoint=sb://orders.servicebus.windows.net/;Authentication=Managed Identity
DefaultEndpointsProtocol=https;AccountName=fakeaccount;EndpointSuffix=core.windows.net
InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=https://westeurope-1.in.applicationinsights.azure.com/
0 3 * * *
*/15 9-17 * * MON-FRI
@hourly
1.2.3
v2.0.0-rc.1+build.20261124
^18.0.0 || >=20.0.0
2026-11-24T12:00:00.000Z
PT15M
P1DT12H
Europe/Amsterdam
en-US,en;q=0.9
info
-Xms512m -Xmx1g -XX:+UseG1GC -Dspring.profiles.active=prod
--max-old-space-size=1024 --enable-source-maps
-c
sleep 3600 && echo done
while true; do date; sleep 5; done
nginx -g 'daemon off;'
python -m gunicorn app:app --bind 0.0.0.0:8000 --workers 4 --timeout 120
java -jar /app/app.jar --server.port=8080 --spring.config.location=/config/
/usr/local/bin/docker-entrypoint.sh
/etc/ssl/certs/ca-certificates.crt
C:\\\\app\\\\config\\\\appsettings.json
/mnt/secrets-store/db-password
arn:aws:s3:::my-bucket/prefix/*
arn:aws:iam::123456789012:role/EcsTaskRole
gs://bucket/object
s3://bucket/key
10.0.0.0/16,192.168.0.0/24
fe80::1ff:fe23:4567:890a
ghcr.io/myorg/log-forwarder:2.0.1
mcr.microsoft.com/dotnet/aspnet:8.0-alpine
payments,orders,shipping
user@example.com
First Last <first.last@example.com>
Basic authentication
Basic internationalization support
Bearer realm="https://auth.docker.io/token",service="registry.docker.io"
Password reset e-mails are sent from noreply@example.com
The password must be at least 12 characters
password
pwd
secret
token
{"logging":{"level":"info","format":"json"},"features":["a","b"],"retries":3}
{"auth":"AzureActiveDirectoryServicePrincipal","tenant":"contoso"}
{"auth":{"type":"managedIdentity"}}
{"auths":{}}
{"type":"object","properties":{"password":{"type":"string","minLength":12}}}
[{"op":"replace","path":"/a","value":1}]
<configuration><add key="Mode" value="On" /></configuration>
key: value\\nlist:\\n  - a\\n  - b
-----BEGIN CERTIFICATE-----\\nMIIBszCCAVmgAwIBAgIUFakeFakeFakeFakeFakeFakeFakeAwCgYIKoZIzj0EAwIw\\n-----END CERTIFICATE-----
-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfakefakefakefakefakefakefakefake\\n-----END PUBLIC KEY-----
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFa me@host
com.example.orders.OrderService
org.apache.kafka.common.serialization.StringDeserializer
eyeglasses.eyebrows.eyelashes
npm_config_loglevel=warn
npm_package_version
github_pat
ghp_
AKIA
%7B%22a%22%3A1%7D
100%25 sure
\\\\u0041\\\\u0042
\u00e9t\u00e9 \u65e5\u672c\u8a9e \ud83d\ude80
<title>Orders &amp; Payments</title>
SELECT id, name FROM orders WHERE status = 'open' ORDER BY id
^(?=.*[A-Z])(?=.*\\\\d).{12,}$
?sig=abc&x=1
/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a
InstrumentationKey=00000000-0000-0000-0000-000000000000
@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/db)
traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
x-ms-blob-type: BlockBlob
http://a:8080,http://b:8080
tcp://0.0.0.0:2375
k1=v1;k2=v2;k3=v3
a:b:c@d
12:30@Room 5
http://host:9000/path/@me
`
  .split('\n')
  .filter(line => line !== '')
  .map(line => line.replaceAll('\\n', '\n'));

/** More than five hundred values as real configurations have them; none is a secret. */
export const harmlessValues: readonly string[] = [
  ...written,
  ...times(60, uuid),
  ...times(60, n => `sha256:${hash('sha256', `d${n}`)}`),
  ...times(40, n => `sha512-${hash('sha512', `i${n}`, 'base64')}`),
  ...times(40, n => hash('sha1', `c${n}`)),
  ...times(30, n => hash('sha256', `e${n}`, 'base64')),
  ...times(30, n => hash('sha384', `f${n}`, 'base64url')),
  ...times(40, n => `myregistry.azurecr.io/team-${n}/app@sha256:${hash('sha256', `r${n}`)}`),
  ...times(20, n => `${n}.${n * 3}.${n * 7}-beta.${n}`),
  ...times(30, n => `https://svc-${n}.internal.example:${8000 + n}/api/v${n}?id=${uuid(n)}#part-${n}`),
  ...times(20, n => `jdbc:mysql://db-${n}.example.com:3306/schema_${n}?useSSL=true&serverTimezone=UTC`),
  ...times(20, n =>
    JSON.stringify({ id: uuid(n), digest: hash('sha256', `j${n}`), nested: { n, on: n % 2 === 0 } }),
  ),
  ...times(20, n =>
    Buffer.from(JSON.stringify({ setting: n, name: `value-${n}`, list: [1, 2, 3] })).toString('base64'),
  ),
  ...times(20, n => hash('sha512', `png${n}`, 'base64').repeat(8)),
];

/** Names and plain values as real containers have them; none is a secret. */
export const harmlessVariables: readonly (readonly [string, string])[] = [
  ['PORT', '8080'],
  ['PWD', '/app'],
  ['MAX_TOKENS', '4096'],
  ['TOKENIZERS_PARALLELISM', 'false'],
  ['TOKEN_ENDPOINT', 'https://login.example.com/oauth2/token'],
  ['TOKEN_TTL', '3600'],
  ['ACCESS_TOKEN_EXPIRE_MINUTES', '30'],
  ['DB_PASSWORD_FILE', '/run/secrets/db-password'],
  ['PASSWORD_MIN_LENGTH', '12'],
  ['MYSQL_ALLOW_EMPTY_PASSWORD', 'yes'],
  ['REQUIRE_PASSWORD', 'true'],
  ['DB_PASSWORD', ''],
  ['DB_PASSWORD', '$(FROM_ELSEWHERE)'],
  ['SECRET_NAME', 'orders-db'],
  ['SECRETS_BACKEND', 'vault'],
  ['AZURE_CLIENT_ID', '00000000-0000-0000-0000-000000000000'],
  ['AZURE_FEDERATED_TOKEN_FILE', '/var/run/secrets/azure/tokens/token'],
  ['GOOGLE_APPLICATION_CREDENTIALS', '/var/secrets/google/key.json'],
  ['KEY_VAULT_URL', 'https://kv.vault.azure.net'],
  ['PUBLIC_KEY', 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE'],
  ['STRIPE_PUBLISHABLE_KEY', 'pk_fake'],
  ['PARTITION_KEY', 'tenantId'],
  ['CACHE_KEY', 'orders'],
  ['KEYCLOAK_URL', 'https://id.example.com'],
  ['MONKEY', 'business'],
  ['BYPASS', 'all'],
  ['COMPASS_MODE', 'north'],
  ['SECRETARY', 'ann'],
  ['AUTHOR', 'ann'],
  ['TURKEY', 'country'],
  ['SSH_KEY_PATH', '/home/app/.ssh/id_ed25519'],
  ['SQL_CONNECTION_STRING', 'Server=tcp:sql.example;Database=orders;Authentication=Active Directory Default'],
  ['DB_SECRET', '@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/db)'],
];
