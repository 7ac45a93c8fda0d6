import { type Static, Type } from 'typebox';
import { PolicyName, ResourceName, SecretName } from './names.ts';

const closed = { additionalProperties: false };
const { Optional } = Type;

export const Port = Type.Integer({ minimum: 1, maximum: 65535 });
const Protocol = Type.Enum(['TCP', 'UDP']);

export const ContainerPort = Type.Object({ port: Port, protocol: Optional(Protocol) }, closed);
export type ContainerPort = Static<typeof ContainerPort>;

const EnvironmentVariable = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 63, pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }),
    value: Optional(Type.String({ maxLength: 8192 })),
    secretName: Optional(SecretName),
    vault: Optional(PolicyName),
  },
  {
    ...closed,
    description: 'Either a plain `value`, or `secretName`: a workload secret, sent as `secureValue`',
  },
);
export type EnvironmentVariable = Static<typeof EnvironmentVariable>;

const Cpu = Type.Number({ minimum: 0.1, maximum: 31 });
const MemoryInGB = Type.Number({ minimum: 0.1, maximum: 240 });

const Resources = Type.Object(
  {
    requests: Type.Object({ cpu: Cpu, memoryInGB: MemoryInGB }, closed),
    limits: Optional(Type.Object({ cpu: Optional(Cpu), memoryInGB: Optional(MemoryInGB) }, closed)),
  },
  closed,
);

const Command = Type.Array(Type.String({ maxLength: 4096 }), {
  maxItems: 128,
  description: 'Program and arguments, without a shell',
});

const VolumeMount = Type.Object(
  {
    name: Type.String({ maxLength: 63, description: 'The name of one of `volumes`' }),
    mountPath: Type.String({ minLength: 1, maxLength: 1024, pattern: '^/[^:\\x00-\\x1f]*$' }),
    readOnly: Optional(Type.Boolean()),
  },
  closed,
);
export type VolumeMount = Static<typeof VolumeMount>;

const Seconds = (minimum: number) => Optional(Type.Integer({ minimum, maximum: 86_400 }));
const Count = Optional(Type.Integer({ minimum: 1, maximum: 1000 }));

const Probe = Type.Object(
  {
    exec: Optional(
      Type.Object({ command: Type.Array(Type.String({ maxLength: 4096 }), { minItems: 1 }) }, closed),
    ),
    httpGet: Optional(
      Type.Object(
        {
          path: Optional(Type.String({ minLength: 1, maxLength: 2048, pattern: '^/' })),
          port: Port,
          scheme: Optional(Type.Enum(['http', 'https'])),
          httpHeaders: Optional(
            Type.Array(
              Type.Object(
                {
                  name: Type.String({
                    minLength: 1,
                    maxLength: 256,
                    pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
                  }),
                  value: Type.String({ maxLength: 4096, pattern: '^[^\\r\\n]*$' }),
                },
                closed,
              ),
              { maxItems: 50 },
            ),
          ),
        },
        closed,
      ),
    ),
    initialDelaySeconds: Seconds(0),
    periodSeconds: Seconds(1),
    failureThreshold: Count,
    successThreshold: Count,
    timeoutSeconds: Seconds(1),
  },
  { ...closed, description: 'Exactly one of `exec` and `httpGet`' },
);
export type Probe = Static<typeof Probe>;

const Capabilities = Optional(
  Type.Array(Type.String({ pattern: '^[A-Z][A-Z0-9_]{0,62}$' }), { maxItems: 64 }),
);
const UserId = Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_294 }));

const SecurityContext = Type.Object(
  {
    privileged: Optional(Type.Boolean()),
    allowPrivilegeEscalation: Optional(Type.Boolean()),
    capabilities: Optional(Type.Object({ add: Capabilities, drop: Capabilities }, closed)),
    runAsGroup: UserId,
    runAsUser: UserId,
    seccompProfile: Optional(
      Type.String({ maxLength: 65_536, pattern: '^[A-Za-z0-9+/]+={0,2}$', description: 'Base64' }),
    ),
  },
  closed,
);

const Image = Type.String({ minLength: 1, maxLength: 1024, description: 'As `docker pull` takes it' });
const EnvironmentVariables = Optional(Type.Array(EnvironmentVariable, { maxItems: 500 }));
const VolumeMounts = Optional(Type.Array(VolumeMount, { maxItems: 20 }));

export const Container = Type.Object(
  {
    name: Optional(ResourceName),
    image: Image,
    resources: Optional(Resources),
    command: Optional(Command),
    ports: Optional(Type.Array(ContainerPort, { maxItems: 20 })),
    environmentVariables: EnvironmentVariables,
    volumeMounts: VolumeMounts,
    livenessProbe: Optional(Probe),
    readinessProbe: Optional(Probe),
    securityContext: Optional(SecurityContext),
  },
  closed,
);
export type Container = Static<typeof Container>;

export const InitContainer = Type.Object(
  {
    name: ResourceName,
    image: Image,
    command: Optional(Command),
    environmentVariables: EnvironmentVariables,
    volumeMounts: VolumeMounts,
    securityContext: Optional(SecurityContext),
  },
  {
    ...closed,
    description: 'Runs to its end before the containers start; it has no ports, probes or resources',
  },
);
export type InitContainer = Static<typeof InitContainer>;
