/** A group's `properties` as they are stored, as far as they are read here. */
export interface StoredProperties {
  containers?: StoredContainer[];
  initContainers?: StoredContainer[];
  imageRegistryCredentials?: StoredCredential[];
  osType?: string;
  restartPolicy?: string;
  ipAddress?: { type?: string; ports?: unknown[]; dnsNameLabel?: string };
  subnetIds?: { id?: string }[];
  [member: string]: unknown;
}

export interface StoredContainer {
  name: string;
  properties: {
    image?: string;
    resources?: { requests?: { cpu?: number; memoryInGB?: number; gpu?: unknown } };
    [member: string]: unknown;
  };
}

export interface StoredCredential {
  server?: string;
  username?: string;
  password?: string;
  passwordReference?: string;
  identity?: string;
}
