import type { $ZodCheck, $ZodChecks, $ZodType, $ZodTypes } from 'zod/v4/core';

type QuickCheck = (value: unknown) => boolean;

/**
 * Whether zod would take a value just as it is. For loose schemas of JSON, of which zod makes a copy, member by member:
 * for a 5-line sale 40 µs, the dearest of all that the hub process does for it. Made out of the schema itself, so that
 * there is one. Whatever it does not take is for zod to judge and to describe.
 *
 * @throws Error when the schema says something that is not known here
 */
export function quickCheck<T>(schema: $ZodType<T>): (value: unknown) => value is T {
  return checkOfSchema(schema) as (value: unknown) => value is T;
}

function checkOfSchema(schema: $ZodType): QuickCheck {
  const { def } = (schema as $ZodTypes)._zod;
  const checks = (def.checks ?? []).map((check) => checkOf(check));
  switch (def.type) {
    case 'object': {
      if (def.catchall?._zod.def.type !== 'unknown') throw new Error('an object that is not loose is copied by zod');
      return objectCheck(Object.entries(def.shape).map(([name, member]) => [name, checkOfSchema(member)]));
    }
    case 'array':
      return arrayCheck(checkOfSchema(def.element), checks);
    case 'string':
      return stringCheck('format' in def ? [matchesFormat(def), ...checks] : checks);
    case 'number':
      return numberCheck('format' in def ? String(def.format) : null, checks);
    case 'enum': {
      const values = new Set<unknown>(Object.values(def.entries));
      return (value) => values.has(value);
    }
    case 'optional': {
      const inner = checkOfSchema(def.innerType);
      return (value) => value === undefined || inner(value);
    }
    case 'nullable': {
      const inner = checkOfSchema(def.innerType);
      return (value) => value === null || inner(value);
    }
    default:
      throw new Error(`a schema of type ${def.type} is not known here`);
  }
}

function objectCheck(members: readonly [string, QuickCheck][]): QuickCheck {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    for (const [name, check] of members) if (!check((value as Record<string, unknown>)[name])) return false;
    // The one member that zod leaves out of its copy.
    return !Object.hasOwn(value, '__proto__');
  };
}

function arrayCheck(item: QuickCheck, checks: readonly QuickCheck[]): QuickCheck {
  return (value) => Array.isArray(value) && value.every(item) && checks.every((check) => check(value));
}

function stringCheck(checks: readonly QuickCheck[]): QuickCheck {
  return (value) => {
    if (typeof value !== 'string') return false;
    for (const check of checks) if (!check(value)) return false;
    return true;
  };
}

/** @param format null: any number that is finite */
function numberCheck(format: string | null, checks: readonly QuickCheck[]): QuickCheck {
  if (format !== null && format !== 'safeint') throw new Error(`a number in the format ${format} is not known here`);
  const isOne = format === null ? Number.isFinite : Number.isSafeInteger;
  return (value) => {
    if (!isOne(value)) return false;
    for (const check of checks) if (!check(value)) return false;
    return true;
  };
}

type Sized = { length: number };

function checkOf(check: $ZodCheck): QuickCheck {
  const { def } = (check as $ZodChecks)._zod;
  switch (def.check) {
    case 'min_length':
      return (value) => (value as Sized).length >= def.minimum;
    case 'max_length':
      return (value) => (value as Sized).length <= def.maximum;
    case 'greater_than':
      return (value) =>
        def.inclusive ? (value as number) >= Number(def.value) : (value as number) > Number(def.value);
    case 'less_than':
      return (value) =>
        def.inclusive ? (value as number) <= Number(def.value) : (value as number) < Number(def.value);
    case 'string_format':
      if (def.format === 'regex' && def.pattern) return matches(def.pattern);
      throw new Error(`text in the format ${def.format} is not known here`);
    default:
      throw new Error(`the check ${def.check} is not known here`);
  }
}

/** A date is all in its pattern; other formats zod also takes apart. */
function matchesFormat({ format, pattern }: { format?: unknown; pattern?: unknown }): QuickCheck {
  if (format !== 'date' || !(pattern instanceof RegExp))
    throw new Error(`text in the format ${String(format)} is not known here`);
  return matches(pattern);
}

/** Of a pattern with a memory the answer would depend on what was asked before. */
function matches(pattern: RegExp): QuickCheck {
  if (pattern.global || pattern.sticky) throw new Error(`${String(pattern)} remembers where it was`);
  return (value) => pattern.test(value as string);
}
