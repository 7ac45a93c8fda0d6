import type { TokenCredential } from '@azure/core-auth';
import { createHttpHeaders, createPipelineRequest, type HttpClient } from '@azure/core-rest-pipeline';
import { forgetRefused } from './credential.ts';
import { errorOfAnswer, toAzureError } from './failure.ts';

const scope = 'https://storage.azure.com/.default';
// Bearer tokens need a version to be named, 2017-11-09 or later.
const version = '2021-12-02';
const timeoutMs = 10_000;

/** Reads one text from Blob Storage with Slipway's own identity; null where the ETag is still the same. Throws `AzureError`. */
export function createBlobReader(options: {
  credential: TokenCredential;
  transport: HttpClient;
}): (url: string, etag: string | null) => Promise<{ etag: string; text: string } | null> {
  const { credential } = options;
  const client = forgetRefused(options.transport, credential);
  return async (url, etag) => {
    try {
      const token = await credential.getToken(scope);
      const headers = createHttpHeaders({
        authorization: `Bearer ${token?.token ?? ''}`,
        'x-ms-version': version,
        'x-ms-date': new Date().toUTCString(),
        ...(etag ? { 'if-none-match': etag } : {}),
      });
      const answer = await client.sendRequest(createPipelineRequest({ url, headers, timeout: timeoutMs }));
      if (answer.status === 304) return null;
      if (answer.status !== 200) throw refusalOf(answer);
      return { etag: answer.headers.get('etag') ?? '', text: answer.bodyAsText ?? '' };
    } catch (error) {
      throw toAzureError('storage', 'get blob', error);
    }
  };
}

/** Its errors are XML; the code stands in a header too. */
function refusalOf(answer: Parameters<typeof errorOfAnswer>[2]) {
  const code = answer.headers.get('x-ms-error-code');
  return errorOfAnswer('storage', 'get blob', answer, {
    error: { code, message: `answered ${answer.status} ${code ?? ''}`.trim() },
  });
}
