import type { ContainerGroup } from '../world.ts';
import type { StoredProperties } from './stored.ts';

/** A group that is to be. */
export type Draft = Pick<
  ContainerGroup,
  'id' | 'name' | 'location' | 'zones' | 'identity' | 'properties' | 'subscriptionId'
>;

export type Refuse = (status: number, code: string, message: string) => Error;

export const propertiesOf = ({ properties }: Pick<ContainerGroup, 'properties'>) =>
  properties as StoredProperties;
