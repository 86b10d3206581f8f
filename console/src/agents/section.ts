/** The sections of an agent's editor. */

import type { Draft } from "./draft";

/** What a section of the editor needs. */
export interface SectionOf {
  draft: Draft;
  change: <Field extends keyof Draft>(field: Field, value: Draft[Field]) => void;
}
