import { issuerOf } from './tokens.ts';

/** Clouds as `GET /common/discovery/instance` lists them: MSAL asks before it trusts an authority it does not know. */
export function describeInstance(tenantId: string): object {
  return {
    tenant_discovery_endpoint: `https://login.microsoftonline.com/${tenantId}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [
      {
        preferred_network: 'login.microsoftonline.com',
        preferred_cache: 'login.windows.net',
        aliases: ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
      },
    ],
  };
}

/** The OpenID discovery document; its endpoints are on the host that was asked, its issuer always the real name. */
export function describeTenant(origin: string, tenantId: string): object {
  return describeAuthority(`${origin}/${tenantId}`, issuerOf(tenantId));
}

/** Names that stand for whatever tenant an account is of; `az` asks for one even when it signs out. */
const manyTenants = new Set(['common', 'organizations', 'consumers']);

/** The document of `common` and its like, whose issuer names no tenant; null for any other name. */
export function describeManyTenants(origin: string, name: string): object | null {
  return manyTenants.has(name.toLowerCase())
    ? describeAuthority(`${origin}/${name}`, issuerOf('{tenantid}'))
    : null;
}

function describeAuthority(base: string, issuer: string): object {
  return {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer,
    request_uri_parameter_supported: false,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'tid', 'ver'],
    tenant_region_scope: 'EU',
    cloud_instance_name: 'microsoftonline.com',
    cloud_graph_host_name: 'graph.windows.net',
    msgraph_host: 'graph.microsoft.com',
  };
}

export function describeFederatedIssuer(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks`,
    subject_types_supported: ['public', 'pairwise'],
    response_types_supported: ['id_token'],
    claims_supported: [
      'sub',
      'aud',
      'exp',
      'iat',
      'iss',
      'nbf',
      'repository_id',
      'repository_owner_id',
      'environment',
    ],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid'],
  };
}
