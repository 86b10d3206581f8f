import {
  type FormEvent,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { Button } from "../Button";
import { Failed } from "../State";
import { CurrentForm } from "./context";
import field from "./field.module.css";
import styles from "./form.module.css";
import { namedProblems, type Problems } from "./problems";
import { UnsavedChanges } from "./UnsavedChanges";

interface FormProps {
  /** Called with the button, Enter or Ctrl+S (Command+S), unless something is wrong in a field. */
  onSave: () => void;
  /** What the button says, such as "Save changes". */
  action: string;
  /** Whether there is something to save, which would be lost without. */
  isDirty: boolean;
  isSaving: boolean;
  /** Why the last attempt failed. */
  error: Error | null;
  /** Problems by field, if the failure does not name them in the usual form. */
  problems?: Problems | undefined;
  /** Another button that saves and does something more, such as "Save and try". */
  also?: { action: string; onSave: () => void } | undefined;
  /** Called to go back to what is saved. */
  onDiscard?: (() => void) | undefined;
  /** What is shown next to the buttons. */
  aside?: ReactNode;
  children: ReactNode;
}

/**
 * A form: it saves with Ctrl+S too, shows errors next to their fields, and warns of changes that
 * would be lost. Who navigates after saving passes `ignoreBlocker: true`.
 */
export function Form({
  onSave,
  action,
  isDirty,
  isSaving,
  error,
  problems,
  also,
  onDiscard,
  aside,
  children,
}: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [local, setLocal] = useState<Problems>(new Map());

  const report = useCallback((field: string, problem: string | undefined) => {
    setLocal((before) => {
      if (before.get(field) === problem) return before;
      const after = new Map(before);
      if (problem === undefined) after.delete(field);
      else after.set(field, problem);
      return after;
    });
  }, []);
  const context = useMemo(
    () => ({ problems: problems ?? namedProblems(error), report }),
    [problems, error, report],
  );

  const attempt = useCallback(
    (save: () => void) => {
      if (isSaving) return;
      if (local.size > 0) focusProblem(form.current);
      else save();
    },
    [isSaving, local],
  );

  useSaveKey(form, () => attempt(onSave));
  useEffect(() => {
    if (error !== null) focusProblem(form.current);
  }, [error]);

  function submit(event: FormEvent) {
    // A form in a dialog is below this one for React, but not on the page.
    if (event.target !== event.currentTarget) return;
    event.preventDefault();
    attempt(onSave);
  }

  return (
    <CurrentForm value={context}>
      <form ref={form} className={styles.form} onSubmit={submit} noValidate>
        {children}
        <footer className={styles.footer}>
          {error !== null && <Failed error={error} />}
          <div className={styles.actions}>
            <Button type="submit" tone="primary" isBusy={isSaving}>
              {action}
            </Button>
            {also !== undefined && (
              <Button isBusy={isSaving} onClick={() => attempt(also.onSave)}>
                {also.action}
              </Button>
            )}
            {onDiscard !== undefined && (
              <Button onClick={onDiscard} disabled={!isDirty || isSaving}>
                Discard changes
              </Button>
            )}
            <span role="status" className={field.quiet}>
              {statusOf(local.size, isDirty, isSaving)}
            </span>
            {aside !== undefined && <span className={field.aside}>{aside}</span>}
          </div>
        </footer>
      </form>
      <UnsavedChanges isDirty={isDirty} />
    </CurrentForm>
  );
}

function statusOf(problems: number, isDirty: boolean, isSaving: boolean): string {
  if (isSaving) return "Saving…";
  if (problems > 0) return problems === 1 ? "One field is wrong" : `${problems} fields are wrong`;
  return isDirty ? "Unsaved changes" : "";
}

/** Go to the first field that is wrong, unfolding what it is in. */
function focusProblem(form: HTMLFormElement | null): void {
  const field = form?.querySelector<HTMLElement>('[aria-invalid="true"]');
  for (let fold = field?.closest("details"); fold; fold = fold.parentElement?.closest("details")) {
    fold.open = true;
  }
  field?.focus();
}

/** Save with Ctrl+S or Cmd+S while the focus is in the form, or in none. */
function useSaveKey(form: RefObject<HTMLFormElement | null>, save: () => void): void {
  const latest = useRef(save);
  useEffect(() => {
    latest.current = save;
  });
  useEffect(() => {
    function onKeyDown(event: KeyboardEvent) {
      if (event.key !== "s" || event.altKey || event.shiftKey) return;
      if (!event.ctrlKey && !event.metaKey) return;
      const within = event.target instanceof Element ? event.target.closest("form") : null;
      if (within !== null && within !== form.current) return;
      event.preventDefault();
      latest.current();
    }
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [form]);
}
