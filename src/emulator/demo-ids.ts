/** The fixed names of the demo world. */
export const demo = {
  tenantId: '00000000-0000-0000-0000-00000000aaaa',
  subscriptionId: '00000000-0000-0000-0000-00000000bbbb',
  resourceGroup: 'my-resource-group',
  otherResourceGroup: 'other-resource-group',
  slipwayClientId: '00000000-0000-0000-0000-0000000d0000',
  slipwaySubject: 'slipway',
  demoClientId: '00000000-0000-0000-0000-0000000d0001',
  otherClientId: '00000000-0000-0000-0000-0000000d0002',
  pullerClientId: '00000000-0000-0000-0000-0000000d0003',
} as const;

/** Well known, as Azurite's account is. */
export const administrator = {
  clientId: '00000000-0000-0000-0000-00000000cccc',
  secret: 'emulator-admin',
} as const;
