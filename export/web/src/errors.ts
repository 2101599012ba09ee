/** A complaint worded for the user: what was wrong, what was given, what to do. */
export class UserError extends Error {}

/** What a library says of an error, without what it adds below. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n")[0] || "no reason given";
}

/** Runs code of a format library, and words whatever it throws on damaged or foreign files. */
export async function reading<T>(name: string, kind: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${name}: cannot be read as ${kind}, it is damaged or of another format (${firstLine(error)})`,
    );
  }
}
