import type { DemoWorld } from './demo-world.ts';

const groups =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups';

export interface ForeignGroup {
  tags?: Record<string, string>;
  identity?: object;
  container?: object;
  properties?: object;
}

/** A group as somebody made it before there was Slipway, once it runs. */
export async function putForeignGroup(
  world: Pick<DemoWorld, 'asAdministrator' | 'control'>,
  name: string,
  { tags = {}, identity, container, properties }: ForeignGroup = {},
): Promise<void> {
  const body = {
    location: 'eastus',
    tags,
    ...(identity ? { identity } : {}),
    properties: {
      osType: 'Linux',
      restartPolicy: 'Always',
      containers: [
        {
          name: 'app',
          properties: {
            image: 'docker.io/library/nginx:1.27',
            resources: { requests: { cpu: 0.5, memoryInGB: 1 } },
            environmentVariables: [{ name: 'LOG_LEVEL', value: 'info' }],
            ports: [{ port: 80 }],
            ...container,
          },
        },
      ],
      ipAddress: { type: 'Public', ports: [{ port: 80, protocol: 'TCP' }] },
      ...properties,
    },
  };
  const path = `${groups}/${name}?api-version=2023-05-01`;
  const status = await world.asAdministrator('PUT', path, body);
  if (status !== 201) throw new Error(`PUT ${name}: ${status}`);
  await world.control('POST', 'clock', { advanceMs: 60_000 });
}
