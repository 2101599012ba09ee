/** Readers of plain JSON values that say what is wrong, and where, in one sentence. */

import { UserError } from "./errors.ts";

export interface Reader<T> {
  read(value: unknown, where: string): T;
  /** Stands where the key is absent; without it, the key must be there. */
  fallback?: T;
}

type Shape = Record<string, Reader<unknown>>;
type Fields<S extends Shape> = { [K in keyof S]: S[K] extends Reader<infer V> ? V : never };

export const text = kind("text", (value): value is string => typeof value === "string");
export const number = kind("a number", (value): value is number => typeof value === "number");
export const whole = kind("a whole number", (value): value is number => Number.isSafeInteger(value));
export const flag = kind("true or false", (value): value is boolean => typeof value === "boolean");

export function list<T>(inner: Reader<T>): Reader<T[]> {
  return {
    read(value, where) {
      if (!Array.isArray(value)) throw wrong(value, where, "a list");
      return value.map((item, i) => inner.read(item, `${where}[${i}]`));
    },
  };
}

/** A mapping from any names. */
export function values<T>(inner: Reader<T>): Reader<Record<string, T>> {
  return {
    read(value, where) {
      if (!isMapping(value)) throw wrong(value, where, "a mapping");
      const given = Object.entries(value);
      return Object.fromEntries(given.map(([key, item]) => [key, inner.read(item, `${where}.${key}`)]));
    },
  };
}

/** A key that may be absent, or null where that is what absence means. */
export function optional<T, F extends T | null>(inner: Reader<T>, fallback: F): Reader<T | F> {
  return {
    read: (value, where) => (value === null && fallback === null ? fallback : inner.read(value, where)),
    fallback,
  };
}

/** A mapping with these keys and no others. */
export function record<S extends Shape>(shape: S): Reader<Fields<S>> {
  return {
    read(value, where) {
      if (!isMapping(value)) throw new UserError(`${where} must be a mapping; given ${JSON.stringify(value)}`);
      const given = value;
      const unknown = Object.keys(given).find((key) => !Object.hasOwn(shape, key));
      if (unknown !== undefined) {
        throw new UserError(
          `${where} has the unknown key '${unknown}'; known are ${Object.keys(shape).join(", ")}`,
        );
      }
      const found = Object.entries(shape).map(([key, inner]) => {
        if (Object.hasOwn(given, key)) return [key, inner.read(given[key], `${where}.${key}`)];
        if (inner.fallback === undefined) throw new UserError(`${where} lacks the key '${key}'`);
        return [key, inner.fallback];
      });
      return Object.fromEntries(found) as Fields<S>;
    },
  };
}

function kind<T>(words: string, is: (value: unknown) => value is T): Reader<T> {
  return {
    read(value, where) {
      if (!is(value)) throw wrong(value, where, words);
      return value;
    },
  };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(value: unknown, where: string, wanted: string): UserError {
  return new UserError(`${where} is ${JSON.stringify(value)} but must be ${wanted}`);
}
