import { type Static, Type } from 'typebox';
import { PolicyName, ResourceName } from './names.ts';
import { RegistryCredentialReference } from './request.ts';

/** What `POST /deployments/adopt` takes: all else the live group says itself. */
export const AdoptionRequest = Type.Object(
  {
    team: Type.Optional(PolicyName),
    target: Type.Optional(PolicyName),
    name: ResourceName,
    imageRegistryCredentials: Type.Optional(
      Type.Array(RegistryCredentialReference, {
        maxItems: 60,
        description: 'What the images are to be pulled with from now on: ACI never tells with what it pulled',
      }),
    ),
  },
  { additionalProperties: false, $id: 'AdoptionRequest' },
);
export type AdoptionRequest = Static<typeof AdoptionRequest>;
