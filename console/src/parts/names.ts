/** Names that come from outside, such as an address. */

/** Tell whether a text is one of the names of a record. */
export function isNameIn<Name extends string>(
  record: Readonly<Record<Name, unknown>>,
  text: string | undefined,
): text is Name {
  return text !== undefined && Object.hasOwn(record, text);
}
