const endless = { size: 1e9, perSecond: 1e9 };

/** For the embedded Azure, where its limits are not what is proven. */
export const noLimits = {
  resourceManager: { reads: endless, writes: endless, deletes: endless },
  containerGroups: {
    creates: { per5Minutes: 1e9, perHour: 1e9 },
    deletes: { per5Minutes: 1e9, perHour: 1e9 },
  },
  quotas: { ContainerGroups: 1e6, StandardCores: 1e6 },
};
