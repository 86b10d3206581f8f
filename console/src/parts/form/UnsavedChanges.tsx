import { useBlocker } from "@tanstack/react-router";
import { Confirm } from "../Confirm";

/** Ask before the page is left while something is not saved. */
export function UnsavedChanges({ isDirty }: { isDirty: boolean }) {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) =>
      isDirty &&
      (current.pathname !== next.pathname ||
        JSON.stringify(current.search) !== JSON.stringify(next.search)),
    enableBeforeUnload: isDirty,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  return (
    <Confirm
      isOpen
      title="Leave without saving?"
      action="Leave"
      onClose={blocker.reset}
      onConfirm={blocker.proceed}
    >
      What you changed here is not saved and will be lost.
    </Confirm>
  );
}
