import type { FastifyInstance } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import { normaliseLocation } from '../arm/subscriptions.ts';
import type { Parts } from '../parts.ts';
import { describeUsages } from './quota.ts';
import { regions } from './regions.ts';

const provider = 'Microsoft.ContainerInstance';
type OfLocation = { Params: { subscription: string; location: string } };

/** What a region has: quotas and their use, sizes, images that it keeps; and the provider's list of operations. */
export function registerLocations(arm: FastifyInstance, { world, limits }: Parts, access: ArmAccess): void {
  const looks = {
    usages: (subscription: string, location: string) => describeUsages(world, limits, subscription, location),
    capabilities: (_: string, location: string) => describeCapabilities(regions[location] ?? location),
    cachedImages: () => cachedImages,
  };
  for (const [name, look] of Object.entries(looks))
    arm.get<OfLocation>(
      `/subscriptions/:subscription/providers/${provider}/locations/:location/${name}`,
      async request => {
        const { subscription, location } = request.params;
        access.allow(request, `${provider}/locations/${name}/read`, `/subscriptions/${subscription}`);
        const region = normaliseLocation(location);
        requireRegion(region, `locations/${name}`, access);
        return { value: look(subscription, region) };
      },
    );
  arm.get(`/providers/${provider}/operations`, async () => ({ value: operations }));
}

/** Refuses what is no region of container groups, in ARM's words. */
export function requireRegion(location: string, type: string, access: ArmAccess): void {
  if (Object.hasOwn(regions, location)) return;
  throw access.error(
    400,
    'LocationNotAvailableForResourceType',
    `The provided location '${location}' is not available for resource type '${provider}/${type}'. List of available regions for the resource type is '${Object.keys(regions).join(',')}'.`,
  );
}

/** The largest group by its kind (quota documentation). */
function describeCapabilities(location: string): object[] {
  const describe = (osType: string, ipAddressType: string, gpu: string, capabilities: object) => ({
    resourceType: 'containerGroups',
    osType,
    location,
    ipAddressType,
    gpu,
    capabilities,
  });
  const large = { maxMemoryInGB: 240, maxCpu: 31, maxGpuCount: 0 };
  return [
    describe('Linux', 'Public', 'None', large),
    describe('Linux', 'Private', 'None', large),
    describe('Linux', 'Public', 'V100', { maxMemoryInGB: 448, maxCpu: 24, maxGpuCount: 4 }),
    describe('Windows', 'Public', 'None', { maxMemoryInGB: 16, maxCpu: 4, maxGpuCount: 0 }),
  ];
}

const cachedImages = [
  ...['alpine:3.20', 'busybox:1.36', 'nginx:1.27', 'ubuntu:22.04'].map(image => ({ osType: 'Linux', image })),
  ...['nanoserver:ltsc2022', 'servercore:ltsc2022'].map(name => ({
    osType: 'Windows',
    image: `mcr.microsoft.com/windows/${name}`,
  })),
];

const operations = (
  [
    ['containerGroups/read', 'Container Group', 'Get Container Groups', 'Get all container groups.'],
    [
      'containerGroups/write',
      'Container Group',
      'Create or update Container Group',
      'Create or update a container group.',
    ],
    ['containerGroups/delete', 'Container Group', 'Delete Container Group', 'Delete a container group.'],
    ['containerGroups/start/action', 'Container Group', 'Start Container Group', 'Start a container group.'],
    ['containerGroups/stop/action', 'Container Group', 'Stop Container Group', 'Stop a container group.'],
    [
      'containerGroups/restart/action',
      'Container Group',
      'Restart Container Group',
      'Restart a container group.',
    ],
    ['containerGroups/containers/logs/read', 'Container', 'Get Container Logs', "Get a container's log."],
    [
      'containerGroups/containers/exec/action',
      'Container',
      'Exec in Container',
      'Run a command in a container.',
    ],
    ['locations/usages/read', 'Usage', 'Get Usage', 'Get the use of quotas in a region.'],
    ['locations/capabilities/read', 'Capabilities', 'Get Capabilities', 'Get what a region can hold.'],
    ['locations/cachedImages/read', 'Cached Images', 'Get Cached Images', 'Get the images a region keeps.'],
    ['locations/operations/read', 'Operation', 'Get Operation', 'Get the state of an operation.'],
  ] as const
).map(([name, resource, operation, description]) => ({
  name: `${provider}/${name}`,
  display: { provider: 'Microsoft Container Instance', resource, operation, description },
  origin: 'User',
}));
