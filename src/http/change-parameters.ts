import { Type } from 'typebox';

/** What every change of a deployment may be asked with. */
export const ChangeHeaders = Type.Object({
  prefer: Type.Optional(Type.String({ description: '`wait=N` (seconds, RFC 7240) or `respond-async`' })),
  'idempotency-key': Type.Optional(Type.String({ description: '1 to 255 visible characters' })),
  'if-match': Type.Optional(Type.String({ description: 'The `ETag` that was read, or `*`' })),
});

export const onBusy = Type.Optional(
  Type.Enum(['fail', 'queue', 'supersede'], {
    description: 'While another operation of the deployment runs; `supersede` ends that one',
  }),
);

export const ChangeQuery = Type.Object({ onBusy }, { additionalProperties: false });

const allowReplace = Type.Optional(
  Type.Boolean({
    description:
      'Where Azure cannot change it in place the group is deleted and made anew: it is down meanwhile',
  }),
);

export const RevisingQuery = Type.Object({ onBusy, allowReplace }, { additionalProperties: false });

export const CreateQuery = Type.Object({ allowReplace }, { additionalProperties: false });

export const RestartQuery = Type.Object(
  {
    onBusy,
    force: Type.Optional(
      Type.Boolean({ description: 'Also with a stored password that is no longer the current one' }),
    ),
  },
  { additionalProperties: false },
);

export const NoQuery = Type.Object({}, { additionalProperties: false });
