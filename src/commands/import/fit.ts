import type { TSchema } from 'typebox';
import { asMembers, isText, type Members, pick } from './members.ts';

type Schema = Members;

/**
 * The same value in the spelling of a schema: members and values of enumerations by their names without case, numbers that
 * were written as text. What the schema does not know stays as it is, for the validator to name.
 */
export function fit(value: unknown, schema: TSchema): unknown {
  return fitTo(value, schemaMembers(schema));
}

const schemaMembers = (schema: unknown): Schema => asMembers(schema);

function fitTo(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) return value.map(each => fitTo(each, schemaMembers(schema.items)));
  if (typeof value === 'object' && value !== null) return fitMembers(asMembers(value), schema);
  if (isText(value)) return fitText(value, schema);
  // An enumeration of texts such as zones.
  return Array.isArray(schema.enum) && schema.enum.includes(String(value)) ? String(value) : value;
}

function fitMembers(members: Members, schema: Schema): Members {
  const properties = asMembers(schema.properties);
  const inMap = Object.values(asMembers(schema.patternProperties))[0];
  return Object.fromEntries(
    Object.entries(members).map(([name, each]) => {
      const known = Object.keys(properties).find(key => key.toLowerCase() === name.toLowerCase());
      return [known ?? name, fitTo(each, schemaMembers(known ? pick(properties, known) : inMap))];
    }),
  );
}

function fitText(text: string, schema: Schema): unknown {
  if (Array.isArray(schema.enum))
    return schema.enum.find(each => isText(each) && each.toLowerCase() === text.toLowerCase()) ?? text;
  const isNumber = schema.type === 'number' || schema.type === 'integer';
  if (isNumber && /^-?\d+(?:\.\d+)?$/.test(text.trim())) return Number(text);
  if (schema.type === 'boolean' && /^(?:true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  return text;
}
